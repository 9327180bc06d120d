from datetime import UTC, datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from threadmill.fusion.ordering import ORDER, sort_comments

SCHEMA = {
    "split_index": pl.Int8,
    "thread_position": pl.Int64,
    "thread_id": pl.String,
    "created_utc": pl.Datetime("us", "UTC"),
    "id": pl.String,
}
Row = tuple[int, int, str, datetime, str]

characters = st.characters(exclude_categories=("Cs",), exclude_characters="\x00")
short_ids = st.text("09az", min_size=1, max_size=8)
any_ids = short_ids | st.text(characters, min_size=1, max_size=3) | st.text("az", min_size=8, max_size=13)
times = st.builds(lambda micros: datetime(2006, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros), st.integers(-2, 2))


@st.composite
def rows(draw: st.DrawFn, ids: st.SearchStrategy[str], *, one_position: bool) -> list[Row]:
    """Comments in any order, of threads that have a position each, or of several that share one."""
    threads = draw(st.lists(st.text(characters, max_size=4), min_size=1, max_size=4, unique=True))
    positions = st.sampled_from([0, 5, (1 << 44) - 1]) if one_position else st.integers(0, (1 << 44) - 1)
    places = {thread: (draw(st.integers(0, 2)), draw(positions)) for thread in threads}
    drawn = draw(st.lists(st.tuples(st.sampled_from(threads), times, ids), max_size=15))
    return [(*places[thread], thread, created, identity) for thread, created, identity in drawn]


@settings(max_examples=150)
@given(st.booleans().flatmap(lambda one: rows(short_ids, one_position=one) | rows(any_ids, one_position=one)))
def test_comments_lie_in_the_order_of_the_statement(rows: list[Row]) -> None:
    comments = pl.DataFrame(rows, schema=SCHEMA, orient="row").with_row_index("number")
    ordered = sort_comments(comments)
    assert ordered.select(ORDER).rows() == sorted(rows, key=lambda row: (*row[:2], row[2].encode(), row[3], row[4].encode()))
    assert_frame_equal(ordered.sort("number"), comments)  # each row whole


def test_two_threads_that_share_a_position_are_not_mixed() -> None:
    created = datetime(2006, 1, 1, tzinfo=UTC)
    rows = [(1, 7, "b", created, "2"), (1, 7, "a", created, "3"), (1, 7, "b", created, "4"), (1, 7, "a", created, "5")]
    ordered = sort_comments(pl.DataFrame(rows, schema=SCHEMA, orient="row"))
    assert ordered["id"].to_list() == ["3", "5", "2", "4"]


def test_of_columns_in_pieces_and_parts() -> None:
    created = datetime(2006, 1, 1, tzinfo=UTC)
    parts = [pl.DataFrame([(0, 1, "t", created, f"{n:02}") for n in range(k, 60, 3)], SCHEMA, orient="row") for k in range(3)]
    ordered = sort_comments(pl.concat(parts, rechunk=False)[7:50])
    assert ordered["id"].to_list() == sorted(pl.concat(parts)["id"][7:50])
