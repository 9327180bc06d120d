"""Submissions among the comments: their titles as first turns, and nothing of them where titles are not wanted."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conversations.worlds import Raw, comment, thread_frame, worlds
from threadmill.conversations.config import find_preset
from threadmill.conversations.examples import make_examples
from threadmill.datasets.counters import Counters

TITLE = find_preset("title").conversations
POLYAI = find_preset("polyai").conversations
BODY = "a body of some length"


def submission(thread: str, text: str, **changed: object) -> Raw:
    return {**comment(thread, "t3_", thread, text), "submission": True, **changed}


def made(raw: list[Raw], config: object = TITLE) -> tuple[dict[str, dict[str, str]], Counters]:
    examples, counters = make_examples(thread_frame(raw), config)  # type: ignore[arg-type]
    counters.check("the test")
    rows = examples.iter_rows(named=True)
    return {row["example_id"]: {name: text for name, text in row.items() if text is not None} for row in rows}, counters


THREAD = [
    submission("t", "Which boat should I buy?\n\nI have little money.", author="ann", created_utc=1),
    comment("a", "t3_t", body="None, take up reading", author="bob"),
    comment("b", "t1_a", body="Or buy a very small one", author="cyd"),
]


def test_comments_that_answer_the_submission_have_its_title_as_context() -> None:
    examples, counters = made(THREAD)
    assert examples["a"]["context"] == "Which boat should I buy?"
    assert examples["a"]["context_author"] == "ann"
    assert examples["b"]["context/0"] == "Which boat should I buy?"
    assert (examples["b"]["context_ids"], examples["b"]["context_authors"]) == ("a t3_t", "bob ann")
    assert {example["root_kind"] for example in examples.values()} == {"submission"}
    assert counters.to_json() == {"read": 3, "kept": 2, "dropped": {"submission": 1}, "written": 2}


def test_its_own_text_follows_where_it_is_wanted() -> None:
    examples, _ = made(THREAD, replace(TITLE, self_text=True))
    assert examples["a"]["context"] == "Which boat should I buy?\n\nI have little money."


def test_threads_whose_submission_is_missing_are_kept() -> None:
    examples, counters = made(THREAD[1:])
    assert {name: example["root_kind"] for name, example in examples.items()} == {"b": "top_level"}
    assert counters.dropped == {"top_level": 1}


def test_a_title_is_a_turn_like_any_other() -> None:
    short, long, gone = (
        made([submission("t", text), *THREAD[1:]]) for text in ("Boats?", "boats " * 40, "[deleted by user]\n\nno more")
    )
    assert [list(examples) for examples, _ in (short, long, gone)] == [["b"], ["b"], ["b"]]
    assert [counters.dropped for _, counters in (short, long, gone)] == [
        {"submission": 1, "context_too_short": 1},
        {"submission": 1, "context_too_long": 1},
        {"submission": 1, "context_tombstone": 1},
    ]
    assert short[0]["b"]["context/0"] == "Boats?"
    assert long[0]["b"]["context/0"] == "boats " * 21
    assert "context/0" not in gone[0]["b"]


def test_a_submission_and_a_comment_may_have_one_id() -> None:
    raw = [
        submission("x", "the title of the thread x"),
        comment("x", "t3_x", "x", body="a comment that is called x too"),
        comment("y", "t1_x", "x", body="an answer to the comment x"),
    ]
    examples, _ = made(raw)
    assert {name: example["context_ids"] for name, example in examples.items()} == {"x": "t3_x", "y": "x t3_x"}
    assert list(made(raw, replace(TITLE, titles=False))[0]) == ["y"]


def test_a_submission_of_the_month_gives_no_response_and_an_older_one_is_context() -> None:
    raw = [{**THREAD[0], "is_new": False}, *THREAD[1:]]
    assert made(raw)[0].keys() == {"a", "b"}
    assert made(raw)[1].dropped == {"submission": 1}


@settings(max_examples=50)
@given(worlds(), st.sampled_from(["polyai", "default", "blender", "dialogpt"]))
def test_without_titles_submissions_change_nothing(sources: list[list[Raw]], preset: str) -> None:
    last = {(value["link_id"], value["id"]): value for source in sources for value in source}
    raw = list(last.values())
    titles = [submission(link[3:], "a title of some length") for link in sorted({value["link_id"] for value in raw})]
    config = find_preset(preset).conversations
    examples, counters = make_examples(thread_frame(raw), config)
    again, with_titles = make_examples(thread_frame([*titles, *raw]), config)
    assert again.sort(again.columns).equals(examples.sort(examples.columns))
    assert with_titles.dropped == {"submission": len(titles), **counters.dropped}
