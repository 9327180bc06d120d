import io
import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill.conversations.formats import encode, open_shard
from threadmill.conversations.parlai import decode_parlai, encode_parlai

EXTRAS = [f"context/{number}" for number in range(5)]
FEATURES = ["context", *EXTRAS, "context_author", "example_id", "response", "response_author"]


def conversations(content: bytes) -> list[dict[str, Any]]:
    """What ParlAI's `Conversations` reads: the text cut by str.splitlines, each line's dialog as one list of acts."""
    read = []
    for line in content.decode().splitlines():
        episode = json.loads(line)
        turns = [{"id": act["id"], "text": act["text"]} for act_pair in episode["dialog"] for act in act_pair]
        read.append({**episode, "turns": turns})
    return read


def second_speakers_labels(conversation: dict[str, Any]) -> list[tuple[str, str]]:
    """What ParlAI's `ConversationTeacher` trains on by default: (text, label), every second turn a label."""
    turns = [turn for turn in conversation["turns"] if turn["id"] != "context"]
    return [(one["text"].strip(), other["text"].strip()) for one, other in zip(turns[::2], turns[1::2], strict=False)]


def example(turns: list[str], **others: str) -> dict[str, str]:
    *older, context, response = turns
    extras = dict(zip(EXTRAS, reversed(older), strict=False))
    return {"context": context, "response": response, "example_id": "c1", **extras, **others}


def written(*examples: dict[str, str]) -> bytes:
    frame = pl.DataFrame([{name: row.get(name) for name in FEATURES} for row in examples], dict.fromkeys(FEATURES, pl.String))
    stream = io.BytesIO()
    with open_shard(stream, "parlai", FEATURES) as shard:
        shard.write(encode(frame, "parlai"))
    return stream.getvalue()


@pytest.mark.parametrize("count", range(2, 8))
def test_turns_come_oldest_first_and_the_response_is_a_label_by_default(count: int) -> None:
    turns = [f"turn {number}" for number in range(count)]
    (read,) = conversations(written(example(turns)))
    silence = ["__SILENCE__"] * (count % 2)
    assert [turn["text"] for turn in read["turns"]] == [*silence, *turns]
    assert second_speakers_labels(read)[-1] == (turns[-2], turns[-1])
    assert [turn["id"] for turn in read["turns"][-2:]] == ["speaker_1", "speaker_2"]


def test_no_turn_is_dropped_as_context_and_no_key_has_a_meaning_of_its_own() -> None:
    (read,) = conversations(written(example(["context", "context"], context_author="context")))
    assert {turn["id"] for turn in read["turns"]} == {"speaker_1", "speaker_2"}
    assert read.keys() == {"dialog", "turns", "context_author", "example_id"}


def test_every_line_end_of_python_is_escaped() -> None:
    ends = "a\nb\rc\x0bd\x0ce\x1cf\x1dg\x1eh\x85i\u2028j\u2029k"
    (read,) = conversations(written(example([ends, ends], response_author=ends)))
    assert [turn["text"] for turn in read["turns"]] == [ends, ends]
    assert read["response_author"] == ends


def test_a_turn_that_says_silence_is_a_turn() -> None:
    turns = ["__SILENCE__", "one", "two", "three"]
    rows = decode_parlai(written(example(turns), example(turns[1:])), [*EXTRAS[:3], "context"]).rows()
    assert rows == [("one", "__SILENCE__", None, "two"), ("one", None, None, "two")]


def test_a_line_without_dialog_is_told() -> None:
    with pytest.raises(pl.exceptions.ComputeError):
        decode_parlai(b'{"text":"hello"}\n', ["context", "response"])


@given(
    st.lists(st.text(st.characters(exclude_categories=("Cs",))), min_size=2, max_size=7), st.none() | st.text("ab\\\"',\u2028")
)
def test_what_is_read_is_what_was_written(turns: list[str], author: str | None) -> None:
    row = example(turns, **({} if author is None else {"context_author": author}))
    frame = pl.DataFrame([{name: row.get(name) for name in FEATURES}], dict.fromkeys(FEATURES, pl.String))
    assert decode_parlai(bytes(encode_parlai(frame)), FEATURES).equals(frame)
    (read,) = conversations(bytes(encode_parlai(frame)))
    assert [turn["text"] for turn in read["turns"] if turn["id"] != "silence"] == turns
