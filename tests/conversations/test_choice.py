"""What becomes of the turns after one that breaks a rule."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conversations.worlds import Raw, comment, thread_frame, worlds
from threadmill.conversations.config import PRESETS, ConversationsConfig
from threadmill.conversations.examples import make_examples

BODY = "a body of some length"
URL = "look at http://example.com for it"


def chain(*bodies: str) -> list[Raw]:
    """A thread in which each comment, c0, c1 and so on, answers the one before."""
    return [comment(f"c{index}", f"t1_c{index - 1}" if index else "t3_t", body=body) for index, body in enumerate(bodies)]


def outcome(raw: list[Raw], **changed: Any) -> tuple[dict[str, str], dict[str, int]]:
    """The context_ids of each example, and the dropped by reason."""
    examples, counters = make_examples(thread_frame(raw), replace(ConversationsConfig(), **changed))
    counters.check("the test")
    assert (counters.read, counters.kept) == (len(raw), examples.height)
    return dict(examples.select("example_id", "context_ids").iter_rows()), counters.dropped


FIVE = chain(BODY, URL, BODY, BODY, BODY)
STRUCTURE = {"top_level": 1, "response_url": 1, "context_url": 1}


def test_older_turns_end_before_one_that_breaks_a_rule() -> None:
    examples, dropped = outcome(FIVE, drop_urls=True)
    assert examples == {"c3": "c2", "c4": "c3 c2"}
    assert dropped == STRUCTURE


def test_or_the_examples_that_would_hold_it_are_dropped() -> None:
    examples, dropped = outcome(FIVE, drop_urls=True, failed_turn="drop", parent_depth=2)
    assert examples == {"c4": "c3 c2"}
    assert dropped == {**STRUCTURE, "older_url": 1}
    assert outcome(FIVE, drop_urls=True, failed_turn="drop")[1] == {**STRUCTURE, "older_url": 2}


def test_or_all_below_it_are() -> None:
    raw = [
        *FIVE,
        comment("d", "t1_c0"),
        comment("e", "t1_d"),
        *(comment(f"f{n}", f"t1_{'c4' if not n else f'f{n - 1}'}") for n in range(30)),
    ]
    examples, dropped = outcome(raw, drop_urls=True, failed_turn="subtree", parent_depth=1)
    assert examples == {"d": "c0", "e": "d"}
    assert dropped == {**STRUCTURE, "subtree_url": 32}


def test_lengths_and_tombstones_count_for_a_subtree_too() -> None:
    for body, rule in (("x", "too_short"), ("y" * 200, "too_long"), ("[deleted]", "tombstone")):
        raw = chain(BODY, body, BODY, BODY)
        dropped = {"top_level": 1, f"response_{rule}": 1, f"context_{rule}": 1}
        assert outcome(raw, failed_turn="subtree")[1] == {**dropped, f"subtree_{rule}": 1}
        assert outcome(raw, failed_turn="drop", parent_depth=5)[1] == {**dropped, f"older_{rule}": 1}
        assert outcome(raw)[0] == {"c3": "c2" if rule == "tombstone" else "c2 c1 c0"}


def test_a_root_that_breaks_a_rule_takes_its_thread_with_it() -> None:
    raw = [*chain(URL, BODY, BODY), comment("x", "t3_t"), comment("y", "t1_x")]
    assert outcome(raw, drop_urls=True, failed_turn="subtree")[0] == {"y": "x"}


def test_a_response_that_repeats_its_context_is_an_echo() -> None:
    raw = chain(BODY, BODY, "something else here", BODY)
    assert outcome(raw, drop_echoes=True) == ({"c2": "c1 c0", "c3": "c2 c1 c0"}, {"top_level": 1, "echo": 1})
    assert len(outcome(raw)[0]) == 3


@pytest.mark.parametrize("titles", [False, True])
def test_depth_counts_from_the_top_level_comment(titles: bool) -> None:
    raw = [*chain(BODY, BODY, BODY, BODY), comment("t", "t3_", body="a title of some length", submission=True)]
    examples, dropped = outcome(raw, max_depth=3, titles=titles)
    assert [name for name in examples if name != "c0"] == ["c1", "c2"]
    assert dropped == {"submission": 1, "too_deep": 1, **({} if titles else {"top_level": 1})}


def test_the_depth_of_an_orphans_thread_counts_from_it() -> None:
    raw = [comment("a", "t1_gone"), comment("b", "t1_a"), comment("c", "t1_b")]
    assert outcome(raw, max_depth=2)[0] == {"b": "a"}


def test_words_of_all_turns_together_have_a_limit() -> None:
    raw = chain("one two three", "four five six", "seven eight nine")
    assert outcome(raw, max_dialogue_words=8) == ({"c1": "c0"}, {"top_level": 1, "too_many_words_together": 1})
    assert len(outcome(raw, max_dialogue_words=9)[0]) == 2


def walk(raw: list[Raw], name: str) -> list[str]:
    """The ancestors of a comment, one by one."""
    parents = {value["id"]: value["parent_id"][3:] for value in raw if value["parent_id"].startswith("t1_")}
    path = [name]
    while parents.get(path[-1]) in {value["id"] for value in raw} and len(path) <= len(raw):
        path.append(parents[path[-1]])
    return path[1:]


@settings(max_examples=50)
@given(worlds(), st.sampled_from(["drop", "subtree"]), st.integers(1, 4))
def test_no_example_has_an_ancestor_that_breaks_a_rule(sources: list[list[Raw]], failed_turn: str, parent_depth: int) -> None:
    last = {(value["link_id"], value["id"]): value for source in sources for value in source}
    config = replace(ConversationsConfig(), failed_turn=failed_turn, parent_depth=parent_depth, drop_non_ascii_start=True)
    frame = thread_frame(list(last.values()))
    found = {(row["thread_id"], row["example_id"]) for row in make_examples(frame, config)[0].iter_rows(named=True)}
    candidates = make_examples(frame, replace(config, failed_turn="cut"))[0]
    for row in candidates.iter_rows(named=True):
        thread = [value for value in last.values() if value["link_id"] == f"t3_{row['thread_id']}"]
        texts = {value["id"]: unescaped(value["body"]) for value in thread}
        above = walk(thread, row["example_id"])[: parent_depth if failed_turn == "drop" else None]
        good = all(9 <= len(texts[name]) <= 127 and texts[name][0].isascii() and not is_tombstone(texts[name]) for name in above)
        assert ((row["thread_id"], row["example_id"]) in found) is good


def unescaped(text: str) -> str:
    return (
        text.replace("&gt;", ">").replace("&lt;", "<")
        if "&amp;" not in text
        else "&".join(part.replace("&gt;", ">").replace("&lt;", "<") for part in text.split("&amp;"))
    )


def is_tombstone(text: str) -> bool:
    return text.startswith("[") and thread_frame([comment("a", "t3_t", body=text)])["removal"][0] is not None


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_every_preset_accounts_for_every_comment(preset: str) -> None:
    raw = [*FIVE, *(value | {"id": f"d{index}"} for index, value in enumerate(chain(BODY, "fine by me", "> no no no")))]
    _, counters = make_examples(thread_frame(raw), PRESETS[preset].conversations)
    counters.check("the test")
    assert counters.read == len(raw)
