"""Cuts a sorted stream of comments into shards, in row groups of whole threads."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, pairwise
from operator import itemgetter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from threadmill.conversations.config import SPLITS
from threadmill.datasets.counters import Counters
from threadmill.datasets.shards import ShardName
from threadmill.engine.stage import Task, TaskOutput, TaskResult

GROUP_ROWS = 1 << 16  # rows a row group at least, unless the shard ends: what a reader holds at a time
_PLACE_COLUMNS = ["split_index", "bucket"]
_DICTIONARY_COLUMNS = ["thread_id", "parent_kind", "subreddit", "author", "distinguished", "removal", "month"]


def write_shards(
    batches: Iterable[pa.RecordBatch],
    schema: pa.Schema,
    counts: Mapping[str, int],
    wanted: set[str],
    uri: str,
    dropped: Mapping[str, int],
) -> Iterator[TaskResult]:
    """Writes the shards named in ``wanted``, yielding each as it is in place.

    Args:
        batches: rows of sql/threads.sql, in its order, and their ``schema``.
        counts: shards a split.
        dropped: comments that were dropped before, by reason; counted with the first shard of all.
    """
    names = [str(ShardName(split, index, counts[split], "parquet")) for split in SPLITS for index in range(counts[split])]
    firsts = np.cumsum([0, *(counts[split] for split in SPLITS)])
    schema = pa.schema([field for field in schema if field.name not in _PLACE_COLUMNS])
    groups = groupby(_runs_of_shards(batches, firsts), key=itemgetter(0))
    group = next(groups, None)
    for ordinal, name in enumerate(names):
        here = group is not None and group[0] == ordinal
        if name in wanted:  # one with no rows is a file too, so that a split is whole
            rows = (batch for _, batch in group[1]) if group is not None and here else iter(())
            yield write_shard(rows, schema, name, TaskOutput(uri), dropped if ordinal == 0 else {})
        if here:
            group = next(groups, None)


def _runs_of_shards(batches: Iterable[pa.RecordBatch], firsts: npt.NDArray[np.int64]) -> Iterator[tuple[int, pa.RecordBatch]]:
    """The batches cut where the shard changes, each with its shard's ordinal over all splits."""
    for batch in batches:
        ordinals = firsts[np.asarray(batch["split_index"])] + np.asarray(batch["bucket"])
        cuts = [0, *(np.flatnonzero(np.diff(ordinals)) + 1).tolist(), batch.num_rows]
        rows = batch.drop_columns(_PLACE_COLUMNS)
        for start, end in pairwise(cuts):
            if end > start:
                yield int(ordinals[start]), rows.slice(start, end - start)


def write_shard(
    batches: Iterator[pa.RecordBatch], schema: pa.Schema, name: str, output: TaskOutput, dropped: Mapping[str, int]
) -> TaskResult:
    """Writes one shard; see `write_shards`.

    Args:
        batches: its rows, in the order of sql/threads.sql.
    """
    rows = 0
    with (
        output.shard(name) as stream,
        pq.ParquetWriter(stream, schema, compression="zstd", compression_level=1, use_dictionary=_DICTIONARY_COLUMNS) as writer,
    ):
        for group in _groups_of_threads(batches, schema):
            writer.write_table(group, row_group_size=group.num_rows)
            rows += group.num_rows
        stream.records = rows
    counters = Counters(read=rows + sum(dropped.values()), kept=rows, written=rows)
    for reason, count in dropped.items():
        counters.drop(reason, count)
    return output.result(Task(name), counters)


def _groups_of_threads(batches: Iterable[pa.RecordBatch], schema: pa.Schema) -> Iterator[pa.Table]:
    """Tables that end with the first thread that brings them to GROUP_ROWS rows.

    They depend on the rows alone, not on how the warehouse cuts its batches, which varies with its threads.
    """
    held: list[pa.RecordBatch] = []
    last_thread = None
    for batch in batches:
        begins = _thread_begins(batch["thread_id"], last_thread)
        last_thread, position = batch["thread_id"][-1], 0
        while (wanted := np.searchsorted(begins, position + GROUP_ROWS - _rows(held))) < len(begins):
            end = int(begins[wanted])
            yield _table([*held, batch.slice(position, end - position)], schema)
            held, position = [], end
        held.append(batch.slice(position))
    if held:
        yield _table(held, schema)


def _thread_begins(threads: pa.Array, last_thread: pa.Scalar | None) -> npt.NDArray[np.int64]:
    """The rows of a batch with which a thread begins; ``last_thread`` is the one that the batch before it ended with."""
    import pyarrow.compute as pc  # 0.05 s, which those who look for GROUP_ROWS need not wait for

    ends = pc.run_end_encode(threads).run_ends.to_numpy()
    begins: npt.NDArray[np.int64] = np.concatenate([[0], ends[:-1]])
    return begins[1:] if threads[0] == last_thread else begins


def _rows(batches: Iterable[pa.RecordBatch]) -> int:
    return sum(batch.num_rows for batch in batches)


def _table(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
    return pa.Table.from_batches(batches, schema).combine_chunks()  # the edges of chunks would show in the pages
