from pathlib import Path

import pytest

from tests.reports.made import example, write_conversations
from threadmill.reports.dialogue import Turn, pick_examples, printable, render_dialogue, turns_of

DEEP = {"context/0": "before", "context/1": "first"}


def test_turns_come_oldest_first_with_the_authors_that_are_known() -> None:
    assert turns_of(example(1, **DEEP)) == [
        Turn(None, "first"),
        Turn(None, "before"),
        Turn("ann", "how are you?"),
        Turn("bob", "very well"),
    ]


def test_older_turns_have_the_authors_that_the_example_tells() -> None:
    turns = turns_of(example(1, **DEEP, context_authors="ann [deleted] eve"))
    assert [turn.author for turn in turns] == ["eve", "[deleted]", "ann", "bob"]


def test_contexts_that_an_example_lacks_are_no_turns() -> None:
    absent = {**example(1), "context/0": "before", "context/1": None, "context/2": None}
    assert [turn.text for turn in turns_of(absent)] == ["before", "how are you?", "very well"]


def test_a_tenth_context_is_older_than_a_second() -> None:
    row = example(1, **{f"context/{number}": str(number) for number in range(11)})
    assert [turn.text for turn in turns_of(row)][:3] == ["10", "9", "8"]


def test_a_dialogue_is_numbered_turns_below_where_it_is_from() -> None:
    assert render_dialogue(example(7, response="two\nlines", **{"context/0": "before"})).splitlines() == [
        "r/reddit.com, thread t7 (3 turns)",
        "  1: before",
        "  2 ann: how are you?",
        "  3 bob: two",
        "     lines",
    ]


def test_what_could_command_a_terminal_is_made_visible() -> None:
    text = render_dialogue(example(1, response="\x1b[31mred\x07\u202ereversed", response_author="b\rob", subreddit="\x9b2J"))
    assert r"\x1b[31mred\x07\u202ereversed" in text
    assert not any((ord(letter) < 32 and letter != "\n") or letter in "\x9b\u202e\r" for letter in text)


def test_line_ends_and_tabs_and_all_scripts_stay() -> None:
    assert printable("a\r\nb\tc نعم 日本") == "a\nb\tc نعم 日本"


@pytest.mark.parametrize("format", ["jsonl", "tfrecord"])
def test_the_choice_is_the_same_however_the_shards_are_ordered(tmp_path: Path, format: str) -> None:
    rows = [example(number, **DEEP) for number in range(30)]
    one = pick_examples(write_conversations(tmp_path / "a", {"train": [rows]}, format), 4)
    two = pick_examples(write_conversations(tmp_path / "b", {"train": [rows[::-1]]}, format), 4)
    assert one == two
    assert len({row["example_id"] for row in one}) == 4


def test_three_turns_and_more_come_first_then_other_threads(tmp_path: Path) -> None:
    short = [example(number) for number in range(20)]
    deep = [example(100, **DEEP), example(101, thread_id="t100", **DEEP), example(102, **DEEP)]
    picked = pick_examples(write_conversations(tmp_path / "c", {"train": [[*short, *deep]]}), 4)
    assert {row["thread_id"] for row in picked[:2]} == {"t100", "t102"}
    assert picked[2]["thread_id"] == "t100"
    assert picked[3]["context/0"] is None


def test_all_shards_are_searched_for_deep_dialogues(tmp_path: Path) -> None:
    shards = {"train": [[example(1), example(2)], [], [example(3, **DEEP)]], "test": [[example(4, **DEEP)]]}
    picked = pick_examples(write_conversations(tmp_path / "c", shards), 2)
    assert {row["example_id"] for row in picked} == {"c3", "c4"}


def test_no_shard_is_read_once_there_are_enough(tmp_path: Path) -> None:
    shards = {"train": [[example(1, **DEEP), example(2, **DEEP)], [example(3, **DEEP)]]}
    uri = write_conversations(tmp_path / "c", shards)
    (tmp_path / "c" / "train-00001-of-00002.jsonl").unlink()
    assert len(pick_examples(uri, 2)) == 2


def test_fewer_examples_than_asked_for_are_all_given(tmp_path: Path) -> None:
    uri = write_conversations(tmp_path / "c", {"train": [[example(1), example(1, example_id="c9")]]})
    assert {row["example_id"] for row in pick_examples(uri, 5)} == {"c1", "c9"}
    assert pick_examples(uri, 0) == []
