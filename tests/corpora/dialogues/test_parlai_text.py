from collections import Counter
from collections.abc import Iterator, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpora.dialogues.reading import turns_of
from threadmill.corpora.dialogues.examples import DialogueExample, DroppedMessage, Message
from threadmill.corpora.dialogues.parlai_text import read_numbered, read_parlai
from threadmill.corpora.text.texts import DeadLetter


def lines(text: str | bytes) -> Iterator[tuple[int, bytes]]:
    return iter(list(enumerate((text.encode() if isinstance(text, str) else text).split(b"\n"), 1)))


def parlai(text: str | bytes, depth: int = 10, counts: Counter[str] | None = None) -> list[Message]:
    return list(read_parlai(lines(text), "set.txt", depth, Counter() if counts is None else counts))


def numbered(text: str, counts: Counter[str] | None = None) -> list[Message]:
    return list(read_numbered(lines(text), "set.txt", 10, Counter() if counts is None else counts))


def dialogues(messages: Sequence[Message]) -> list[list[str]]:
    return [turns_of(message.features) for message in messages if isinstance(message, DialogueExample)]


def test_texts_and_labels_of_an_episode_are_the_context_of_its_later_messages() -> None:
    messages = parlai(
        "text:hello\tlabels:hi\n"
        "text:how are you?\tlabels:fine\tepisode_done:True\n"
        "text:what is new?\tlabels:nothing\tepisode_done:True"
    )
    assert dialogues(messages) == [
        ["hello", "hi"],
        ["hello", "hi", "how are you?", "fine"],
        ["what is new?", "nothing"],
    ]
    ids = [(message.features["thread_id"], message.features["example_id"]) for message in messages]  # type: ignore[union-attr]
    assert ids == [("set.txt:1", "set.txt:1"), ("set.txt:1", "set.txt:2"), ("set.txt:3", "set.txt:3")]


@pytest.mark.parametrize("value", ["True", "true", "1"])
def test_a_done_episode_ends(value: str) -> None:
    assert dialogues(parlai(f"text:a\tlabels:b\tepisode_done:{value}\ntext:c\tlabels:d"))[1] == ["c", "d"]


@pytest.mark.parametrize("value", ["False", "false", "0", ""])
def test_one_that_is_not_done_goes_on(value: str) -> None:
    assert dialogues(parlai(f"text:a\tlabels:b\tepisode_done:{value}\ntext:c\tlabels:d"))[1] == ["a", "b", "c", "d"]


def test_only_the_newest_turns_are_kept() -> None:
    text = "\n".join(f"text:t{number}\tlabels:l{number}" for number in range(50))
    assert dialogues(parlai(text, depth=3))[-1] == ["t48", "l48", "t49", "l49"]


def test_escapes_are_taken_back_and_lines_of_a_text_are_turns() -> None:
    messages = parlai("text:your persona: i ski.\\nyour persona: a\\tb.\\n\\nhi\tlabels:one__PIPE__two\\nthree|four")
    assert dialogues(messages) == [["your persona: i ski.", "your persona: a\tb.", "hi", "one|two\nthree"]]


def test_the_first_label_is_taken_and_what_is_not_used_is_counted() -> None:
    counts = Counter[str]()
    messages = parlai("text:a\tlabels:|b|c|d\tlabel_candidates:x|y\treward:1.0\tid:someone", counts=counts)
    assert dialogues(messages) == [["a", "b"]]
    assert counts == {"other_labels": 2, "label_candidates": 1, "rewards": 1}


def test_eval_labels_are_labels() -> None:
    assert dialogues(parlai("text:a\teval_labels:b")) == [["a", "b"]]


def test_silence_is_no_turn() -> None:
    messages = parlai("text:__SILENCE__\tlabels:hello\ntext:hi\tlabels:how are you?")
    assert messages[0] == DroppedMessage("no_context")
    assert dialogues(messages) == [["hello", "hi", "how are you?"]]


def test_a_text_without_a_label_is_dropped_and_stays_a_turn() -> None:
    messages = parlai("text:a\ntext:b\tlabels:\ntext:c\tlabels:d")
    assert messages[:2] == [DroppedMessage("no_response")] * 2
    assert dialogues(messages) == [["a", "b", "c", "d"]]


def test_a_line_that_cannot_be_parsed_is_told_with_its_number_and_what_was_before_it_is_no_context() -> None:
    messages = parlai(b"text:a\tlabels:b\n\nhello\ntext:c\tlabels:d\ntext:\xff\tlabels:x\tepisode_done:True\ntext:e\tlabels:f")
    letters = [message for message in messages if isinstance(message, DeadLetter)]
    assert [(letter.line, letter.reason) for letter in letters] == [(3, "no text"), (5, "not UTF-8")]
    assert letters[0].text == "hello"
    assert dialogues(messages) == [["a", "b"], ["c", "d"], ["e", "f"]]
    threads = [message.features["thread_id"] for message in messages if isinstance(message, DialogueExample)]
    assert threads == ["set.txt:1", "set.txt:1", "set.txt:6"]


def test_numbered_lines_begin_an_episode_with_1_and_statements_are_turns() -> None:
    counts = Counter[str]()
    messages = numbered("1 Sam went.\n2 Where is Sam?\tgone|away\t1\there|gone\n1 hello\\nyou\thi", counts)
    assert dialogues(messages) == [["Sam went.", "Where is Sam?", "gone"], ["hello", "you", "hi"]]
    assert counts == {"other_labels": 1, "label_candidates": 1, "rewards": 1}
    assert messages[0] == DroppedMessage("no_response")


def test_a_line_without_a_number_is_told() -> None:
    (letter,) = numbered("hello\thi")
    assert isinstance(letter, DeadLetter)
    assert (letter.line, letter.reason) == (1, "no number")


_TURN = st.text(st.characters(codec="utf-8"), min_size=1).filter(
    lambda turn: turn.strip() != "" and "\\" not in turn and "__" not in turn and not set(turn) & set("\n\r")
)


@settings(max_examples=40)
@given(st.lists(st.lists(st.tuples(_TURN, _TURN), min_size=1, max_size=4), max_size=4))
def test_what_is_written_as_parlai_writes_it_is_read_back(episodes: list[list[tuple[str, str]]]) -> None:
    def escaped(text: str) -> str:
        return text.replace("\t", "\\t").replace("|", "__PIPE__")

    written = [
        f"text:{escaped(text)}\tlabels:{escaped(label)}" + "\tepisode_done:True" * (number == len(episode) - 1)
        for episode in episodes
        for number, (text, label) in enumerate(episode)
    ]
    expected = [
        [turn for exchange in episode[: number + 1] for turn in exchange]
        for episode in episodes
        for number in range(len(episode))
    ]
    assert dialogues(parlai("\n".join(written))) == expected
