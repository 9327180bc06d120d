import polars as pl
import pytest

from threadmill.takedown.examples import mark, without_marked
from threadmill.takedown.ledger import Ledger, author_hash

FEATURES = [
    "context",
    "context/0",
    "context/1",
    "context_author",
    "context_authors",
    "context_ids",
    "example_id",
    "response",
    "response_author",
    "root_kind",
]


def examples(*rows: tuple[str, str | None, str, str]) -> pl.DataFrame:
    """Of each its id, the author of the response, and the ids and authors of the turns before it, most recent first."""
    made = []
    for identity, author, ids, authors in rows:
        turns = [f"text of {name}" for name in ids.split(" ")]
        named = [None if name == "[deleted]" else name for name in authors.split(" ")]
        made.append(
            dict.fromkeys(FEATURES)
            | {"example_id": identity, "response_author": author, "context_ids": ids, "context_authors": authors}
            | {"context": turns[0], "response": f"text of {identity}", "root_kind": "top_level", "context_author": named[0]}
            | {f"context/{depth}": text for depth, text in enumerate(turns[1:])}
        )
    return pl.DataFrame(made, schema=dict.fromkeys(FEATURES, pl.String))


WORLD = examples(
    ("d", "Dan", "c b a", "Cid Bob Ann"),
    ("c", "Cid", "b a", "Bob Ann"),
    ("b", "Bob", "a", "Ann"),
    ("x", None, "t3_a", "[deleted]"),
)


def left(ledger: Ledger) -> dict[str, tuple[str, str]]:
    """The examples that stay, with the ids of their older turns and their root's kind."""
    rows = without_marked(WORLD, mark(WORLD, ledger)).to_dicts()
    for row in rows:
        texts = [row["context"], row["context/0"], row["context/1"]]
        assert [text for text in texts if text] == [f"text of {name}" for name in row["context_ids"].split(" ")]
        assert len(row["context_authors"].split(" ")) == len(row["context_ids"].split(" "))
    return {row["example_id"]: (row["context_ids"], row["root_kind"]) for row in rows}


WHOLE = {"d": ("c b a", "top_level"), "c": ("b a", "top_level"), "b": ("a", "top_level"), "x": ("t3_a", "top_level")}


@pytest.mark.parametrize(
    ("ledger", "changes", "gone"),
    [
        (Ledger(), {}, ""),
        (Ledger(ids=frozenset({"t1_d"})), {}, "d"),
        (Ledger(ids=frozenset({"t1_a"})), {"d": ("c b", "orphan"), "c": ("b", "orphan")}, "b"),
        (Ledger(ids=frozenset({"t1_b"})), {"d": ("c", "orphan")}, "cb"),
        (Ledger(ids=frozenset({"t3_a"})), {}, "x"),
        (Ledger(ids=frozenset({"t3_b", "t1_x"})), {}, "x"),
        (Ledger(authors=frozenset({author_hash("bob")})), {"d": ("c", "orphan")}, "cb"),
        (Ledger(authors=frozenset({author_hash("DAN")}), ids=frozenset({"t1_a", "t1_b"})), {}, "dcb"),
    ],
)
def test_examples_go_or_lose_their_older_turns(ledger: Ledger, changes: dict[str, tuple[str, str]], gone: str) -> None:
    assert left(ledger) == {name: value for name, value in {**WHOLE, **changes}.items() if name not in gone}
    marks = mark(WORLD, ledger)
    assert (marks.dropped, marks.cut) == (len(gone), len(changes))


def test_without_the_submission_the_first_comment_is_a_top_level_one() -> None:
    world = examples(("b", "Bob", "a t3_s", "Ann Sue")).with_columns(root_kind=pl.lit("submission"))
    (row,) = without_marked(world, mark(world, Ledger(ids=frozenset({"t3_s"})))).to_dicts()
    assert (row["context_ids"], row["context_authors"], row["root_kind"], row["context/0"]) == ("a", "Ann", "top_level", None)


def test_no_examples_are_no_fault() -> None:
    marks = mark(WORLD.clear(), Ledger(ids=frozenset({"t1_a"})))
    assert (marks.dropped, marks.cut, without_marked(WORLD.clear(), marks).height) == (0, 0, 0)
