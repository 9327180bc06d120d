from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threadmill.conversations import thread_shards
from threadmill.conversations.placement import POSITION_BITS
from threadmill.conversations.thread_shards import write_shards
from threadmill.fusion.groups import GroupCutter
from threadmill.fusion.ordering import Ordered

SCHEMA = {"place": pl.Int64, "thread_id": pl.String, "id": pl.Int64}
Groups = list[tuple[int, int, list[int]]]
"""Of each group its shard, its number and its comments."""


def comments_of(threads: Sequence[tuple[int, int]]) -> pl.DataFrame:
    """The comments of threads of these positions and sizes, in order."""
    rows = [(position, f"t{position}.{number}") for number, (position, size) in enumerate(sorted(threads)) for _ in range(size)]
    return pl.DataFrame([(*row, number) for number, row in enumerate(rows)], schema=SCHEMA, orient="row")


def pieces_of(comments: pl.DataFrame, cuts: Sequence[int]) -> list[pl.DataFrame]:
    """The comments in pieces of whole threads."""
    threads = comments.group_by("thread_id", maintain_order=True).len()["len"].cum_sum().to_list()
    edges = sorted({0, comments.height, *(threads[cut] for cut in cuts if cut < len(threads))})
    return [comments[start:end] for start, end in pairwise(edges)]


def cut(pieces: Sequence[pl.DataFrame], shards: int) -> Groups:
    cutter = GroupCutter(shards)
    groups = []
    for piece in pieces:
        groups += list(cutter.add(ordered(piece), 0, piece.height))
        cutter.release()
    groups += list(cutter.finish())
    return [(group.index, group.number, group.comments()["id"].to_list()) for group in groups]


def ordered(comments: pl.DataFrame) -> Ordered:
    """Comments that lie in their order backwards."""
    threads = comments["thread_id"]
    begins = (threads != threads.shift(1)).fill_null(True).to_numpy()
    return Ordered(comments.reverse(), np.arange(comments.height)[::-1].copy(), comments["place"].to_numpy(), begins)


def row_groups(folder: Path, comments: pl.DataFrame, shards: int) -> Groups:
    """The row groups of the shards that the threads stage writes."""
    bucket = (pl.col("place") * shards // (1 << POSITION_BITS)).alias("bucket")
    table = comments.with_columns(bucket, split_index=pl.lit(0)).to_arrow(compat_level=pl.CompatLevel.oldest())
    counts = {"train": shards, "validation": 0, "test": 0}
    names = [f"train-{index:05d}-of-{shards:05d}.parquet" for index in range(shards)]
    list(write_shards(table.to_batches(), table.schema, counts, set(names), str(folder), dropped={}))
    groups: Groups = []
    for index, name in enumerate(names):
        with pq.ParquetFile(folder / name) as file:
            for number in range(file.num_row_groups):
                groups.append((index, number, file.read_row_group(number)["id"].to_pylist()))
    return groups


@settings(max_examples=20)
@given(
    threads=st.lists(st.tuples(st.integers(0, (1 << POSITION_BITS) - 1) | st.integers(0, 3), st.integers(1, 9)), max_size=15),
    shards=st.sampled_from([1, 2, 3, 8]),
    cuts=st.lists(st.integers(0, 14), max_size=4),
    group_rows=st.integers(1, 12),
)
def test_groups_are_the_row_groups_of_threads_however_the_comments_come(
    tmp_path_factory: pytest.TempPathFactory, threads: list[tuple[int, int]], shards: int, cuts: list[int], group_rows: int
) -> None:
    folder = tmp_path_factory.getbasetemp() / "groups"
    folder.mkdir(exist_ok=True)
    comments = comments_of(threads)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thread_shards, "GROUP_ROWS", group_rows)
        assert cut(pieces_of(comments, cuts), shards) == row_groups(folder, comments, shards)


def test_a_group_ends_with_the_thread_that_fills_it_or_with_its_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_shards, "GROUP_ROWS", 4)
    half = 1 << (POSITION_BITS - 1)
    comments = comments_of([(0, 3), (1, 2), (2, 1), (half, 4), (half + 1, 9), (half + 2, 1)])
    sizes = [(index, number, len(rows)) for index, number, rows in cut([comments], shards=2)]
    assert sizes == [(0, 0, 5), (0, 1, 1), (1, 0, 4), (1, 1, 9), (1, 2, 1)]


def test_a_group_is_given_as_soon_as_the_next_thread_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_shards, "GROUP_ROWS", 4)
    cutter = GroupCutter(1)
    comments = comments_of([(0, 6), (1, 1)])
    assert list(cutter.add(ordered(comments[:6]), 0, 6)) == []
    (group,) = cutter.add(ordered(comments[6:]), 0, 1)
    assert group.comments()["id"].to_list() == list(range(6))


def test_nothing_gives_no_group() -> None:
    assert list(GroupCutter(3).finish()) == []
