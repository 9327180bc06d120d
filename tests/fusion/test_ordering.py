from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threadmill.fusion.ordering import ORDER, Ordered, order_comments

SCHEMA = {
    "place": pl.Int64,
    "thread_id": pl.String,
    "created_utc": pl.Datetime("us", "UTC"),
    "id": pl.String,
    "parent_kind": pl.String,
}
Row = tuple[int, str, datetime, str, str]
NEW_YEAR = datetime(2006, 1, 1, tzinfo=UTC)

characters = st.characters(exclude_categories=("Cs",), exclude_characters="\x00")
short_ids = st.text("09az", min_size=1, max_size=8)
any_ids = short_ids | st.text(characters, min_size=1, max_size=3) | st.text("az", min_size=8, max_size=13)
times = st.builds(lambda micros: NEW_YEAR + timedelta(microseconds=micros), st.integers(-2, 2))
kinds = st.sampled_from(["comment", "none", "submission"])


@st.composite
def rows(draw: st.DrawFn, ids: st.SearchStrategy[str], *, one_position: bool) -> list[Row]:
    """Comments in any order, of threads that have a position each, or of several that share one; no two with one key."""
    threads = draw(st.lists(ids, min_size=1, max_size=4, unique=True))
    positions = st.sampled_from([0, 5, (1 << 44) - 1]) if one_position else st.integers(0, (1 << 44) - 1)
    places = {thread: (draw(st.integers(0, 2)) << 44) + draw(positions) for thread in threads}
    size = draw(st.sampled_from([15, 150]))  # more than an insertion sort is for
    drawn = draw(
        st.lists(st.tuples(st.sampled_from(threads), times, ids, kinds), max_size=size, unique_by=lambda row: (row[0], *row[2:]))
    )
    return [(places[thread], thread, *rest) for thread, *rest in drawn]


def sorted_rows(rows: Sequence[Row]) -> list[Row]:
    return sorted(rows, key=lambda row: (row[0], row[1].encode(), row[2], row[3].encode(), row[4]))


def in_order(ordered: Ordered) -> list[Any]:
    return ordered.comments[ordered.rows].select(ORDER).rows()


@settings(max_examples=150)
@given(st.booleans().flatmap(lambda one: rows(short_ids, one_position=one) | rows(any_ids, one_position=one)))
def test_comments_lie_in_the_order_of_the_statement(rows: list[Row]) -> None:
    ordered = order_comments(pl.DataFrame(rows, schema=SCHEMA, orient="row"))
    wanted = sorted_rows(rows)
    assert in_order(ordered) == wanted
    assert ordered.place.tolist() == [row[0] for row in wanted]
    threads = [row[1] for row in wanted]
    assert ordered.begins.tolist() == [index == 0 or threads[index - 1] != thread for index, thread in enumerate(threads)]


def test_two_threads_that_share_a_place_are_not_mixed() -> None:
    rows = [(7, name, NEW_YEAR, identity, "comment") for name, identity in ("b2", "a3", "b4", "a5")]
    ordered = order_comments(pl.DataFrame(rows, schema=SCHEMA, orient="row"))
    assert [row[3] for row in in_order(ordered)] == ["3", "5", "2", "4"]
    assert ordered.begins.tolist() == [True, False, True, False]


def test_a_submission_and_a_comment_of_one_id_and_time_have_an_order_too() -> None:
    rows = [(7, "t", NEW_YEAR, "1", "none"), (7, "t", NEW_YEAR, "1", "comment")]
    for given_rows in (rows, rows[::-1]):
        assert in_order(order_comments(pl.DataFrame(given_rows, schema=SCHEMA, orient="row"))) == rows[::-1]


@pytest.mark.parametrize("size", [0, 1])
def test_few(size: int) -> None:
    ordered = order_comments(pl.DataFrame([(7, "t", NEW_YEAR, "1", "none")][:size], schema=SCHEMA, orient="row"))
    assert len(ordered.rows) == len(ordered.begins) == len(ordered.place) == size
    assert np.all(ordered.begins)


def test_of_columns_in_pieces_and_parts() -> None:
    parts = [
        pl.DataFrame([(1, "t", NEW_YEAR, f"{n:02}", "comment") for n in range(k, 60, 3)], SCHEMA, orient="row") for k in range(3)
    ]
    ordered = order_comments(pl.concat(parts, rechunk=False)[7:50])
    assert [row[3] for row in in_order(ordered)] == sorted(pl.concat(parts)["id"][7:50])
