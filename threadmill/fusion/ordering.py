"""Puts comments into the order of sql/threads.sql, by numbers where that is provably the same as by texts."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from numba import njit

from threadmill.datasets.arrow_text import large_strings, text_buffers

ORDER = ["place", "thread_id", "created_utc", "id", "parent_kind"]
_PACKED_BYTES = 8
_SHORT_RUN = 32  # rows up to which an insertion sort is the fastest


@dataclass(frozen=True)
class Ordered:
    """Comments and their order: nothing is moved until a piece of them is asked for.

    Attributes:
        comments: n rows in any order.
        rows: int64[n], which row is the first, the second, ...
        place: int64[n], in that order: the number of the split and, in the lower bits, the thread's position.
        begins: bool[n], in that order: whether a thread begins.
    """

    comments: pl.DataFrame
    rows: npt.NDArray[np.int64]
    place: npt.NDArray[np.int64]
    begins: npt.NDArray[np.bool_]


def order_comments(comments: pl.DataFrame) -> Ordered:
    """The order of ``comments`` by ORDER, texts by their bytes.

    Ids of up to eight bytes, as all dumps have them (of letters and digits), sort as the big-endian numbers that their
    bytes spell; and threads need no comparing where no two share a place.
    """
    texts = comments.select("thread_id", "id")
    if texts.height and texts.select(pl.all().str.len_bytes().max()).max_horizontal().item() <= _PACKED_BYTES:
        place = comments["place"].to_numpy()
        rows = comments["place"].arg_sort().to_numpy().astype(np.int64)
        threads, ids = _packed(texts["thread_id"]), _packed(texts["id"])
        if _sort_runs(rows, place, threads, comments["created_utc"].to_physical().to_numpy(), ids):
            return Ordered(comments, rows, place[rows], _changes(threads[rows]))
    rows = comments.select(pl.arg_sort_by(ORDER)).to_series().to_numpy().astype(np.int64)
    threads = comments["thread_id"].gather(rows).rle_id().to_numpy()
    return Ordered(comments, rows, comments["place"].gather(rows).to_numpy(), _changes(threads))


def _changes(values: npt.NDArray[np.generic]) -> npt.NDArray[np.bool_]:
    return np.concatenate([np.ones(min(1, len(values)), np.bool_), values[1:] != values[:-1]])


def _packed(texts: pl.Series) -> npt.NDArray[np.uint64]:
    packed: npt.NDArray[np.uint64] = _pack(*text_buffers(large_strings(texts)))
    return packed


@njit(nogil=True, cache=True)
def _pack(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    packed = np.zeros(len(offsets) - 1, np.uint64)
    for row in range(len(packed)):
        start, end = offsets[row], offsets[row + 1]
        for index in range(end - start):
            packed[row] |= np.uint64(data[start + index]) << np.uint64(8 * (7 - index))
    return packed


@njit(nogil=True, cache=True)
def _sort_runs(rows, place, threads, created, ids):  # type: ignore[no-untyped-def]
    """Sorts the rows of each place, which lie together, by time and id. False where that does not settle the order.

    It does not where two threads share a place, or two comments of a thread have one time and one id.
    """
    start = 0
    while start < len(rows):
        end = start + 1
        while end < len(rows) and place[rows[end]] == place[rows[start]]:
            end += 1
        run = rows[start:end]
        if end - start <= _SHORT_RUN:
            _sort_short(run, created, ids)
        else:
            run[:] = run[np.argsort(ids[run], kind="mergesort")]
            run[:] = run[np.argsort(created[run], kind="mergesort")]
        for index in range(1, len(run)):
            row, before = run[index], run[index - 1]
            if threads[row] != threads[before] or (created[row] == created[before] and ids[row] == ids[before]):
                return False
        start = end
    return True


@njit(nogil=True, cache=True)
def _sort_short(run, created, ids):  # type: ignore[no-untyped-def]
    for index in range(1, len(run)):
        row, at = run[index], index
        while at and _later(run[at - 1], row, created, ids):
            run[at] = run[at - 1]
            at -= 1
        run[at] = row


@njit(nogil=True, cache=True)
def _later(row, other, created, ids):  # type: ignore[no-untyped-def]
    return created[row] > created[other] or (created[row] == created[other] and ids[row] > ids[other])
