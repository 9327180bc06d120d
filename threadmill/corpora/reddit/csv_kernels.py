"""Records of CSV (RFC 4180) found by compiled loops: where each ends, and where its fields lie.

A quote opens a field only as its first character, as in Python's csv module; a newline ends a record, a carriage return before
it goes with it.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from threadmill.corpora.reddit.text_kernels import copy, kernel, put_text, put_view, utf8_length

# Where in a record a character is read.
START, _PLAIN, QUOTED, _CLOSED = range(4)  # at a field's start, in one without quotes, in one with, after a quote in it

# What a field is.
ABSENT, PLAIN, IN_QUOTES, WITH_QUOTES = range(4)  # the last: quotes in quotes, which are doubled

# What is wrong with a record.
GOOD, WRONG_COUNT, MALFORMED_QUOTES, NOT_UTF8, BLANK = range(5)


@kernel
def record_ends(data: npt.NDArray[np.uint8], state: int, only_first: bool) -> Any:
    """How many records end in ``data``, the place after the last of them, and the state after all that was read.

    ``state`` is that before ``data``: `START` at the beginning of a record. ``only_first`` stops after the first.
    """
    count = last = 0
    for place in range(len(data)):
        byte = data[place]
        if state == QUOTED:
            state = _CLOSED if byte == 0x22 else QUOTED
        elif byte == 0x0A:
            last, state = place + 1, START
            count += 1
            if only_first:
                break
        elif byte == 0x2C:
            state = START
        elif byte == 0x22 and state != _PLAIN:  # at the start, or the second of two
            state = QUOTED
        else:
            state = _PLAIN
    return count, last, state


@kernel
def find_fields(
    data: npt.NDArray[np.uint8],
    fields: npt.NDArray[np.int64],
    records: npt.NDArray[np.int64],
    spans: npt.NDArray[np.int64],
) -> int:
    """Finds the records of ``data`` (uint8), which ends with one; returns how many there are.

    Args:
        fields: int64[columns], for each column of the header which of the fields of interest it is; -1 for none.
        records: int64[n, 4], for each record: where it begins, where it ends, lines before it, what is wrong with it.
        spans: int64[n, fields, 3], for each field: where its text begins, where it ends, what it is.
    """
    count = place = lines = 0
    while place < len(data):
        records[count, 0], records[count, 2] = place, lines
        for number in range(spans.shape[1]):
            spans[count, number, 2] = ABSENT
        fault, column, ended = GOOD, 0, False
        while not ended:
            start, end, kind, place, bad = _field(data, place)
            fault = bad if bad != GOOD and fault == GOOD else fault
            if column < len(fields) and fields[column] >= 0:
                field = fields[column]
                spans[count, field, 0], spans[count, field, 1], spans[count, field, 2] = start, end, kind
            column += 1
            ended = data[place] == 0x0A
            place += 1
        records[count, 1] = place
        if column != len(fields) and fault == GOOD:
            fault = BLANK if column == 1 and end == start and kind == PLAIN else WRONG_COUNT
        records[count, 3] = fault
        for index in range(records[count, 0], place):
            lines += data[index] == 0x0A
        count += 1
    return count


@kernel
def _field(data, place):  # type: ignore[no-untyped-def]
    """Where the field that begins at ``place`` has its text, what it is, where the character is that ends it, its fault."""
    if data[place] == 0x22:
        return _quoted_field(data, place)
    start, fault = place, GOOD
    while data[place] != 0x2C and data[place] != 0x0A:
        length = 1 if data[place] < 0x80 else utf8_length(data, place)
        fault = fault if length else NOT_UTF8
        place += max(1, length)
    end = place - 1 if data[place] == 0x0A and place > start and data[place - 1] == 0x0D else place
    return start, end, PLAIN, place, fault


@kernel
def _quoted_field(data, place):  # type: ignore[no-untyped-def]
    start, fault, kind = place + 1, GOOD, IN_QUOTES
    place = start
    while True:
        byte = data[place]
        if byte == 0x22:
            if data[place + 1] != 0x22:
                break
            kind, place = WITH_QUOTES, place + 2
            continue
        length = 1 if byte < 0x80 else utf8_length(data, place)
        fault = fault if length else NOT_UTF8
        place += max(1, length)
    end, place = place, place + 1
    if data[place] == 0x0D and data[place + 1] == 0x0A:
        place += 1
    if data[place] == 0x2C or data[place] == 0x0A:
        return start, end, kind, place, fault
    while data[place] != 0x2C and data[place] != 0x0A:  # text after the closing quote
        place += 1
    return start, end, kind, place, MALFORMED_QUOTES


@kernel
def put_fields(
    data: npt.NDArray[np.uint8],
    spans: npt.NDArray[np.int64],
    views: npt.NDArray[np.uint64],
    valid: npt.NDArray[np.bool_],
    arena: npt.NDArray[np.uint8],
) -> int:
    """Writes the texts of fields as views: see `text_column`. A field that is empty without quotes is null.

    Args:
        spans: int64[n, fields, 3], as `find_fields` leaves them.
        views: uint64[fields, n, 2]; valid: bool[fields, n].
        arena: uint8, of ``len(data)`` and room for `WIDE` more.

    Returns:
        Bytes of ``arena`` that are used.
    """
    used = 0
    for field in range(spans.shape[1]):
        for row in range(len(spans)):
            start, end, kind = spans[row, field, 0], spans[row, field, 1], spans[row, field, 2]
            valid[field, row] = kind > PLAIN or (kind == PLAIN and end > start)
            if not valid[field, row]:
                views[field, row, 0] = views[field, row, 1] = np.uint64(0)
            elif kind == WITH_QUOTES:
                after = _put_quoted(data, start, end, arena, used)
                put_view(views, field, row, arena, used, after - used, used)
                used = after
            else:
                used = put_text(views, field, row, data, start, end, arena, used)
    return used


@kernel
def _put_quoted(data, start, end, arena, used):  # type: ignore[no-untyped-def]
    """Writes a text with each pair of quotes as one; returns the place after it."""
    place = start
    while place < end:
        run = place
        while place < end and data[place] != 0x22:
            place += 1
        used = copy(data, run, place, arena, used)
        if place < end:
            arena[used] = 0x22
            used, place = used + 1, place + 2
    return used
