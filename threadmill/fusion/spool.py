"""Holds a stream of comments until all are there, then gives them back by the places of threads; spills what is too much."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from types import TracebackType

import numpy as np
import polars as pl
import pyarrow as pa
from pyarrow import ipc

from threadmill.conversations.placement import POSITION_BITS
from threadmill.datasets.storage import TEMPORARY_PREFIX

_PARTITIONS = 256  # of the order of threads, where comments are spilled
HELD_ROWS = 1_010_000  # about 230 MB
_SPILLED_ROWS = 200_000  # at a time


class Spool:
    """Comments by their threads' positions. Use as a context manager: what was spilled is removed at its end.

    Args:
        folder: where a folder for spilled comments is made when there are too many to hold.
        held_rows: comments that are held in memory at most.
    """

    def __init__(self, folder: str, held_rows: int = HELD_ROWS) -> None:
        self._folder, self._held_rows = folder, held_rows
        self._held: list[pl.DataFrame] = []
        self._rows = 0
        self._spilled = ""
        self._writers: dict[int, ipc.RecordBatchStreamWriter] = {}

    def __enter__(self) -> "Spool":
        return self

    def add(self, comments: pl.DataFrame) -> None:
        """Takes comments, of one set of columns always; ``place``, whose lower bits are the thread's position, is one of them."""
        self._held.append(comments)
        self._rows += comments.height
        if self._rows >= self._held_rows:
            self._spill()
            self._held_rows = min(self._held_rows, _SPILLED_ROWS)  # more held would spare nothing from now on

    def partitions(self) -> Iterator[pl.DataFrame]:
        """All comments, in no order within a frame; the positions of one frame lie before those of the next."""
        if not self._spilled:
            yield self._taken(self._rows)
            return
        self._spill()
        for writer in self._writers.values():
            writer.close()
        for number in sorted(self._writers):
            with pa.OSFile(self._path(number)) as file:
                yield pl.DataFrame(ipc.open_stream(file).read_all())
            os.remove(self._path(number))

    def _taken(self, rows: int) -> pl.DataFrame:
        """The first ``rows`` comments or a few more as one frame, a column at a time: no more than one is there twice."""
        held, taken = [], 0
        while self._held and taken < rows:
            held.append(self._held.pop(0).get_columns())
            taken += len(held[-1][0])
        self._rows -= taken
        columns = []
        while held[0]:
            columns.append(pl.concat([block.pop() for block in held], rechunk=True))
        return pl.DataFrame(columns[::-1])

    def _spill(self) -> None:
        while self._held:
            self._write(self._taken(_SPILLED_ROWS))

    def _write(self, comments: pl.DataFrame) -> None:
        self._spilled = self._spilled or tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=self._folder)
        shift = POSITION_BITS - (_PARTITIONS.bit_length() - 1)
        numbers = (comments["place"].to_numpy() & ((1 << POSITION_BITS) - 1)) >> shift
        table = comments[np.argsort(numbers, kind="stable")].to_arrow(compat_level=pl.CompatLevel.oldest())
        edges = np.searchsorted(np.sort(numbers), np.arange(_PARTITIONS + 1))
        for number, (start, end) in enumerate(pairwise(edges.tolist())):
            if end > start:
                self._writer(number, table.schema).write_table(table.slice(start, end - start))

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
