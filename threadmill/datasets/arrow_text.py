"""Arrow strings as the flat UTF-8 bytes and offsets that compiled loops read."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa


def large_strings(values: Any) -> pa.Array:
    """A list, an Arrow array or a polars Series of strings as one large_string array; null becomes "".

    Nothing is copied where the memory is in that form already.
    """
    if hasattr(values, "to_arrow"):
        values = values.to_arrow()
    if isinstance(values, pa.ChunkedArray):
        values = concatenated([large_strings(chunk) for chunk in values.chunks])
    array = values if isinstance(values, pa.Array) else pa.array(values, pa.large_string())
    array = array.cast(pa.large_string())
    return array.fill_null("") if array.null_count else array


def concatenated(arrays: Sequence[pa.Array]) -> pa.Array:
    """Arrays of large_string end to end."""
    return pa.concat_arrays([pa.array([], pa.large_string()), *arrays])


def text_buffers(array: pa.Array) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.int64]]:
    """The UTF-8 bytes (uint8) and the n + 1 offsets (int64) of a large_string array of n strings, without a copy."""
    _, offsets, data = array.buffers()
    if offsets is None:
        return np.zeros(0, np.uint8), np.zeros(1, np.int64)
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    content = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
    return content, bounds if len(bounds) else np.zeros(1, np.int64)
