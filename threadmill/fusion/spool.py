"""Holds a stream of comments until all are there, then gives them back in the order of threads; spills what is too much."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from types import TracebackType

import polars as pl
import pyarrow as pa
from pyarrow import ipc

from threadmill.conversations.config import ThreadsConfig
from threadmill.conversations.placement import POSITION_BITS, place
from threadmill.datasets.storage import TEMPORARY_PREFIX
from threadmill.fusion.ordering import sort_comments

_PARTITIONS = 256  # of the order of threads, where comments are spilled
HELD_ROWS = 1_100_000  # about 250 MB


class Spool:
    """Comments by their threads' positions. Use as a context manager: what was spilled is removed at its end.

    Args:
        folder: where a folder for spilled comments is made when there are too many to hold.
        config: where threads are placed by.
        held_rows: comments that are held in memory at most.
    """

    def __init__(self, folder: str, config: ThreadsConfig, held_rows: int = HELD_ROWS) -> None:
        self._folder, self._config, self._held_rows = folder, config, held_rows
        self._held: list[pl.DataFrame] = []
        self._rows = 0
        self._spilled = ""
        self._writers: dict[int, ipc.RecordBatchStreamWriter] = {}

    def __enter__(self) -> "Spool":
        return self

    def add(self, comments: pl.DataFrame) -> None:
        """Takes comments, of one set of columns always; thread_id is one of them."""
        split, position = place(comments["thread_id"], self._config)
        self._held.append(comments.with_columns(pl.Series("split_index", split), pl.Series("thread_position", position)))
        self._rows += comments.height
        if self._rows >= self._held_rows:
            self._spill()

    def partitions(self) -> Iterator[pl.DataFrame]:
        """All comments, with split_index and thread_position, each frame sorted, frames in the order of positions."""
        if not self._spilled:
            yield sort_comments(self._taken())
            return
        self._spill()
        for writer in self._writers.values():
            writer.close()
        for number in sorted(self._writers):
            with pa.OSFile(self._path(number)) as file:
                yield sort_comments(pl.DataFrame(ipc.open_stream(file).read_all()))
            os.remove(self._path(number))

    def _taken(self) -> pl.DataFrame:
        comments = pl.concat(self._held, rechunk=True)
        self._held, self._rows = [], 0
        return comments

    def _spill(self) -> None:
        if not self._held:
            return
        self._spilled = self._spilled or tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=self._folder)
        shift = POSITION_BITS - (_PARTITIONS.bit_length() - 1)
        placed = self._taken().with_columns((pl.col("thread_position") // (1 << shift)).alias("partition"))
        for (number,), rows in placed.partition_by("partition", as_dict=True, include_key=False).items():
            table = rows.to_arrow(compat_level=pl.CompatLevel.oldest())
            self._writer(int(number), table.schema).write_table(table)

    def _writer(self, number: int, schema: pa.Schema) -> ipc.RecordBatchStreamWriter:
        if number not in self._writers:
            options = ipc.IpcWriteOptions(compression="lz4")
            self._writers[number] = ipc.new_stream(self._path(number), schema, options=options)
        return self._writers[number]

    def _path(self, number: int) -> str:
        return os.path.join(self._spilled, f"{number:03d}.arrows")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for writer in self._writers.values():
            writer.close()
        if self._spilled:
            shutil.rmtree(self._spilled, ignore_errors=True)
