"""Sorts comments into the order of sql/threads.sql, by numbers where that is provably the same as by texts."""

import numpy as np
import numpy.typing as npt
import polars as pl
from numba import njit

from threadmill.conversations.placement import POSITION_BITS
from threadmill.datasets.arrow_text import large_strings, text_buffers

ORDER = ["split_index", "thread_position", "thread_id", "created_utc", "id"]
_PACKED_BYTES = 8


def sort_comments(comments: pl.DataFrame) -> pl.DataFrame:
    """``comments`` sorted by ORDER, texts by their bytes.

    Ids of up to eight bytes, as all dumps have them (of letters and digits), sort as the big-endian numbers that their
    bytes spell; and threads need no comparing where no two share a split and a position of 44 bits.
    """
    if (comments["id"].str.len_bytes() > _PACKED_BYTES).any():
        return comments.sort(ORDER)
    place = pl.col("split_index").cast(pl.Int64) * (1 << POSITION_BITS) + pl.col("thread_position")
    keys = comments.select(place.alias("place"), pl.col("created_utc").to_physical()).with_columns(id=_packed(comments["id"]))
    rows = keys.select(pl.arg_sort_by("place", "created_utc", "id")).to_series()
    ordered = comments[rows]
    return ordered if _one_thread_a_place(keys["place"].gather(rows), ordered["thread_id"]) else comments.sort(ORDER)


def _one_thread_a_place(place: pl.Series, threads: pl.Series) -> bool:
    return not ((threads != threads.shift(1)) & (place == place.shift(1))).any()


def _packed(texts: pl.Series) -> pl.Series:
    return pl.Series(_pack(*text_buffers(large_strings(texts))), dtype=pl.UInt64)


@njit(nogil=True, cache=True)
def _pack(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    packed = np.zeros(len(offsets) - 1, np.uint64)
    for row in range(len(packed)):
        start, end = offsets[row], offsets[row + 1]
        for index in range(end - start):
            packed[row] |= np.uint64(data[start + index]) << np.uint64(8 * (7 - index))
    return packed
