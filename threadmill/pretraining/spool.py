"""The external shuffle: planned rows go to disk as they come, and come back bucket by bucket, ordered by their keys."""

import os
import threading
from pathlib import Path

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]

KEY = 0  # the column that holds a row's key: a uint64 hash, as the bits of an int64


def keys_of(rows: Rows) -> npt.NDArray[np.uint64]:
    """uint64[n]: the keys of rows, a copy."""
    return np.ascontiguousarray(rows[:, KEY]).view(np.uint64)


class RowSpool:
    """Rows in a file: runs, each ordered by bucket; the buckets are equal ranges of the keys, ascending.

    Args:
        path: the file, which is made.
        columns: of a row.
        buckets: how many.

    Attributes:
        rows: how many were added.
    """

    def __init__(self, path: Path, columns: int, buckets: int) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)
        self._columns, self.buckets = columns, buckets
        self._lock = threading.Lock()
        self._runs: list[tuple[int, npt.NDArray[np.int64]]] = []  # the row in the file where a run begins, its buckets' offsets
        self.rows = 0

    def add(self, rows: Rows) -> None:
        """Adds int64[n, columns] rows; threads may call it side by side."""
        if not len(rows):
            return
        keys = rows[:, KEY].view(np.uint64) if rows.flags.c_contiguous else rows[:, KEY].astype(np.uint64)
        numbers = ((keys >> np.uint64(32)) * np.uint64(self.buckets) >> np.uint64(32)).astype(np.int64)
        offsets = np.zeros(self.buckets + 1, np.int64)
        np.cumsum(np.bincount(numbers, minlength=self.buckets), out=offsets[1:])
        content = np.ascontiguousarray(rows[np.argsort(numbers, kind="stable")])
        with self._lock:
            start = self.rows
            self.rows += len(rows)
            self._runs.append((start, offsets))
        _write_all(self._file, content, start * 8 * self._columns)

    def size(self, bucket: int) -> int:
        """The rows of a bucket."""
        return int(sum(offsets[bucket + 1] - offsets[bucket] for _, offsets in self._runs))

    def read(self, bucket: int) -> Rows:
        """int64[n, columns]: the rows of a bucket in the order of their keys, whatever the order in which they came."""
        rows = np.empty((self.size(bucket), self._columns), np.int64)
        filled = 0
        for start, offsets in self._runs:
            count = int(offsets[bucket + 1] - offsets[bucket])
            if count:
                _read_all(self._file, rows[filled : filled + count], (start + int(offsets[bucket])) * 8 * self._columns)
                filled += count
        keys = rows[:, KEY].astype(np.uint64)
        order = np.argsort(keys)
        ordered = keys[order]
        if (ordered[1:] == ordered[:-1]).any():  # two of one key: the other columns decide, never the order of the threads
            order = np.lexsort((*rows.T[:0:-1], keys))
        return rows[order]

    def close(self) -> None:
        """Closes the file."""
        os.close(self._file)


def _write_all(file: int, content: npt.NDArray[np.int64], place: int) -> None:
    view = content.data.cast("B")
    while len(view):
        written = os.pwrite(file, view, place)
        view, place = view[written:], place + written


def _read_all(file: int, content: npt.NDArray[np.int64], place: int) -> None:
    view = content.data.cast("B")
    while len(view):
        read = os.preadv(file, [view], place)
        if not read:
            raise OSError(f"the scratch file of planned rows ends at byte {place}")
        view, place = view[read:], place + read
