"""Frames as JSON lines without absent values: written whole by polars, then freed of null by a compiled loop."""

import io

import numpy as np
import polars as pl
from numba import njit

_QUOTE, _BACKSLASH, _COLON, _COMMA, _OPEN, _N = (ord(character) for character in '"\\:,{n')


def encode_json_lines(frame: pl.DataFrame) -> memoryview:
    """One JSON object a row (RFC 8259, UTF-8), with the frame's columns in their order, less those that are null in the row."""
    stream = io.BytesIO()
    frame.write_ndjson(stream)
    return without_null_members(stream.getbuffer())


def without_null_members(content: memoryview) -> memoryview:
    """JSON without white space between its tokens, less the members of objects whose value is null.

    Names must be without quotes and backslashes, values neither ``NaN`` nor a literal that begins with ``n``, null aside.
    """
    source = np.frombuffer(content, np.uint8)
    output = np.empty(len(source), np.uint8)
    return output[: _copy_without_null(source, output)].data


@njit(nogil=True, cache=True)  # type: ignore[untyped-decorator]
def _copy_without_null(source, output):  # type: ignore[no-untyped-def]
    """Copies ``source`` to ``output``, skipping each member that is null, and a comma beside it; returns the length.

    ``":n`` ends a name, unless a backslash before it tells that the quote is a text's.
    """
    written = copied = 0
    for position in range(2, len(source) - 1):
        if (
            source[position] != _COLON
            or source[position + 1] != _N
            or source[position - 1] != _QUOTE
            or source[position - 2] == _BACKSLASH
        ):
            continue
        start, end = position - 2, position + 5
        while source[start] != _QUOTE:
            start -= 1
        if source[start - 1] == _COMMA and start > copied:
            start -= 1
        elif source[end] == _COMMA:
            end += 1
        output[written : written + start - copied] = source[copied:start]
        written += start - copied
        copied = end
    output[written : written + len(source) - copied] = source[copied:]
    return written + len(source) - copied
