from collections.abc import Iterator, Sequence
from hashlib import md5
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threadmill.conversations import thread_shards
from threadmill.conversations.thread_shards import write_shards
from threadmill.engine.stage import TaskResult

SCHEMA = pa.schema([("split_index", pa.int64()), ("bucket", pa.int64()), ("thread_id", pa.string()), ("id", pa.string())])
COUNTS = {"train": 2, "validation": 0, "test": 3}
NAMES = [
    "train-00000-of-00002.parquet",
    "train-00001-of-00002.parquet",
    "test-00000-of-00003.parquet",
    "test-00001-of-00003.parquet",
    "test-00002-of-00003.parquet",
]
Shard = Sequence[int]
"""The sizes of a shard's threads."""


def rows_of(shards: Sequence[Shard]) -> list[dict[str, Any]]:
    """Rows in the order of sql/threads.sql: shard by shard, thread by thread."""
    places = [(0, 0), (0, 1), (2, 0), (2, 1), (2, 2)]
    return [
        {"split_index": split, "bucket": bucket, "thread_id": f"t{split}.{bucket}.{thread}", "id": f"c{number}"}
        for (split, bucket), sizes in zip(places, shards, strict=True)
        for thread, size in enumerate(sizes)
        for number in range(size)
    ]


def batches_of(rows: list[dict[str, Any]], cuts: Sequence[int]) -> Iterator[pa.RecordBatch]:
    for start, end in pairwise(sorted({0, len(rows), *(cut for cut in cuts if cut < len(rows))})):
        yield pa.RecordBatch.from_pylist(rows[start:end], SCHEMA)


def written(folder: Path, shards: Sequence[Shard], cuts: Sequence[int] = (), wanted: Sequence[str] = NAMES) -> list[TaskResult]:
    folder.mkdir(exist_ok=True)
    batches = batches_of(rows_of(shards), cuts)
    return list(write_shards(batches, SCHEMA, COUNTS, set(wanted), str(folder), dropped={"duplicate": 4}))


def sizes_of_groups(path: Path) -> list[int]:
    with pq.ParquetFile(path) as file:
        return [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]


@settings(max_examples=25)
@given(
    shards=st.lists(st.lists(st.integers(1, 9), max_size=6), min_size=5, max_size=5),
    cuts=st.lists(st.integers(1, 100), max_size=12),
    group_rows=st.integers(1, 12),
)
def test_row_groups_hold_whole_threads_however_the_stream_is_cut(
    tmp_path_factory: pytest.TempPathFactory, shards: list[list[int]], cuts: list[int], group_rows: int
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thread_shards, "GROUP_ROWS", group_rows)
        results = written(folder, shards, cuts)
    assert [result.name for result in results] == NAMES
    rows = rows_of(shards)
    for result in results:
        split, bucket = (0 if result.name.startswith("train") else 2), int(result.name.split("-")[1])
        expected = [row for row in rows if (row["split_index"], row["bucket"]) == (split, bucket)]
        found = pl.read_parquet(folder / result.name)
        assert found.columns == ["thread_id", "id"]
        assert found.rows() == [(row["thread_id"], row["id"]) for row in expected]
        assert result.shards[0].records == len(expected)
        assert sizes_of_groups(folder / result.name) == expected_groups(shards[NAMES.index(result.name)], group_rows)


def expected_groups(sizes: Shard, group_rows: int) -> list[int]:
    groups, held = [], 0
    for size in sizes:
        held += size
        if held >= group_rows:
            groups.append(held)
            held = 0
    return [*groups, held] if held else groups


def test_row_groups_end_soon_after_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(thread_shards, "GROUP_ROWS", 10)
    (result, *_) = written(tmp_path / "threads", [[5, 5, 5, 40, 5, 5], [], [], [], []], cuts=range(0, 100, 4))
    assert sizes_of_groups(tmp_path / "threads" / result.name) == [10, 45, 10]


def test_counters_count_rows_and_the_duplicates_once(tmp_path: Path) -> None:
    results = written(tmp_path / "threads", [[3], [2, 1], [], [4], []])
    assert [result.counters.to_json() for result in results] == [
        {"read": 7, "kept": 3, "dropped": {"duplicate": 4}, "written": 3},
        {"read": 3, "kept": 3, "dropped": {}, "written": 3},
        {"read": 0, "kept": 0, "dropped": {}, "written": 0},
        {"read": 4, "kept": 4, "dropped": {}, "written": 4},
        {"read": 0, "kept": 0, "dropped": {}, "written": 0},
    ]


@settings(max_examples=20)
@given(
    wanted=st.sets(st.sampled_from(NAMES), min_size=1),
    shards=st.lists(st.lists(st.integers(1, 5), max_size=5), min_size=5, max_size=5),
    cuts=st.lists(st.integers(1, 60), max_size=12),
)
def test_bytes_depend_neither_on_the_cuts_nor_on_what_is_done_already(
    tmp_path_factory: pytest.TempPathFactory, wanted: set[str], shards: list[list[int]], cuts: list[int]
) -> None:
    base = tmp_path_factory.mktemp("shards")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thread_shards, "GROUP_ROWS", 4)
        whole = {result.name: result for result in written(base / "whole", shards)}
        part = {result.name: result for result in written(base / "part", shards, cuts, sorted(wanted))}
    assert part == {name: whole[name] for name in wanted}


def test_bytes_of_many_pages_do_not_depend_on_the_cuts_either(tmp_path: Path) -> None:
    count = 30_000
    batch = pa.RecordBatch.from_pydict(
        {
            "split_index": [0] * count,
            "bucket": [0] * count,
            "thread_id": [f"t{row // 50}" for row in range(count)],
            "id": [md5(str(row).encode()).hexdigest() * 4 for row in range(count)],  # 3.8 MB: several pages
        },
        SCHEMA,
    )
    shards = []
    for cuts in ([], [7777], [1, 20_001, 29_998]):
        pieces = [batch.slice(start, end - start) for start, end in pairwise([0, *cuts, count])]
        (result, *_) = write_shards(pieces, SCHEMA, COUNTS, set(NAMES), str(tmp_path), dropped={})
        shards.append(result.shards)
    assert shards[0] == shards[1] == shards[2]
