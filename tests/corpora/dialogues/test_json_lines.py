import json
from collections.abc import Sequence
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpora.dialogues.reading import turns_of
from threadmill.conversations.formats import encode
from threadmill.corpora.dialogues.examples import DialogueExample, DroppedMessage, Message, dialogue_features
from threadmill.corpora.dialogues.json_lines import read_conversations, read_json_examples
from threadmill.corpora.text.texts import DeadLetter

FEATURES = dialogue_features(6)


def written(*values: Any) -> bytes:
    return b"".join(value if isinstance(value, bytes) else json.dumps(value).encode() + b"\n" for value in values)


def examples(content: bytes, parent_depth: int = 10) -> list[Message]:
    return list(read_json_examples(iter(list(enumerate(content.split(b"\n"), 1))), "set.json", parent_depth))


def conversations(content: bytes, label_turns: str = "second") -> list[Message]:
    return list(read_conversations(iter(list(enumerate(content.split(b"\n"), 1))), "set.jsonl", 6, label_turns))


def features(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [message.features for message in messages if isinstance(message, DialogueExample)]


def test_an_example_of_the_reference_pipeline_keeps_its_features() -> None:
    given_features = {
        "context": "hello",
        "context/0": "older",
        "context/1": "oldest",
        "response": "hi",
        "context_author": "a",
        "response_author": "b",
        "subreddit": "x",
        "thread_id": "t1",
    }
    (example,) = examples(written({**given_features, "score": 3, "file": "other"}))
    assert isinstance(example, DialogueExample)
    assert example.features == {**given_features, "example_id": "set.json:1"}
    assert example.key == "t1"


def test_one_without_a_thread_is_its_own_and_split_by_its_oldest_turn() -> None:
    first, second = examples(
        written({"context": "a", "response": "b"}, {"context": "c", "context/0": "b", "context/1": "a", "response": "d"})
    )
    assert isinstance(first, DialogueExample)
    assert isinstance(second, DialogueExample)
    assert first.features["thread_id"] == "set.json:1"
    assert first.key == second.key == "a"


def test_older_turns_than_the_depth_are_left_out() -> None:
    (example,) = features(examples(written({"context": "c", "context/0": "b", "context/1": "a", "response": "d"}), 2))
    assert turns_of(example) == ["b", "c", "d"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", "not JSON"),
        (b'{"context": "\xff", "response": "b"}', "not JSON"),
        (b'{"context": "\\ud800", "response": "b"}', "not JSON"),
        (b"[1]", "no object"),
    ],
)
def test_a_line_that_cannot_be_parsed_is_told(line: bytes, reason: str) -> None:
    messages = examples(written({"context": "a", "response": "b"}) + line)
    assert isinstance(messages[1], DeadLetter)
    assert (messages[1].line, messages[1].reason) == (2, reason)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"context": "a"}, "no_response"),
        ({"context": "a", "response": " \n"}, "no_response"),
        ({"context": "a", "response": 3}, "no_response"),
        ({"response": "b"}, "no_context"),
        ({"context": "", "response": "b"}, "no_context"),
    ],
)
def test_an_object_without_turns_is_dropped(value: dict[str, Any], reason: str) -> None:
    assert examples(written(value)) == [DroppedMessage(reason)]


def dialog(*turns: str, ids: Sequence[str] = ()) -> dict[str, Any]:
    speakers = ids or [f"speaker_{number % 2 + 1}" for number in range(len(turns))]
    acts = [{"id": speaker, "text": turn} for speaker, turn in zip(speakers, turns, strict=True)]
    return {"dialog": [acts[start : start + 2] for start in range(0, len(acts), 2)]}


@pytest.mark.parametrize(
    ("label_turns", "expected"),
    [
        ("second", [["a", "b"], ["a", "b", "c", "d"]]),
        ("first", [["a", "b", "c"]]),
        ("both", [["a", "b"], ["a", "b", "c"], ["a", "b", "c", "d"]]),
    ],
)
def test_each_label_turn_of_a_conversation_is_a_response(label_turns: str, expected: list[list[str]]) -> None:
    found = features(conversations(written(dialog("a", "b", "c", "d")), label_turns))
    assert [turns_of(example) for example in found] == expected
    assert len({example["example_id"] for example in found}) == len(found)
    assert {example["thread_id"] for example in found} == {"set.jsonl:1"}


def test_acts_that_are_no_turns_are_left_out() -> None:
    found = features(conversations(written(dialog("__SILENCE__", "a", "kitchen", "b", "c", ids=["1", "2", "context", "1", "2"]))))
    assert [turns_of(example) for example in found] == [["a", "b", "c"]]


def test_a_line_without_a_dialog_is_told() -> None:
    messages = conversations(written({"dialog": [[{"id": "x"}]]}, {"text": "a"}, {"dialog": 3}, dialog("a")))
    assert [(message.line, message.reason) for message in messages if isinstance(message, DeadLetter)] == [
        (number, "no dialog") for number in (1, 2, 3)
    ]
    assert messages[3] == DroppedMessage("no_response")


_TEXT = st.text(st.characters(codec="utf-8"), min_size=1).filter(lambda text: not text.isspace())


@pytest.mark.parametrize("format", ["parlai", "jsonl"])
@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.lists(_TEXT, min_size=2, max_size=7), st.none() | st.text("ab\\\"',\u2028")), min_size=1, max_size=3)
)
def test_what_threadmill_writes_is_read_back(format: str, rows: list[tuple[list[str], str | None]]) -> None:
    expected = []
    for number, (turns, author) in enumerate(rows):
        *older, context, response = turns
        others = {"context_author": author} if author is not None else {}
        extra = {f"context/{depth}": turn for depth, turn in enumerate(reversed(older))}
        ids = {"example_id": f"e{number}", "thread_id": f"t{number}"}
        expected.append({**ids, **extra, **others, "context": context, "response": response})
    frame = pl.DataFrame([{name: row.get(name) for name in FEATURES} for row in expected], dict.fromkeys(FEATURES, pl.String))
    content = bytes(encode(frame, format))
    assert features(conversations(content) if format == "parlai" else examples(content, 6)) == expected
