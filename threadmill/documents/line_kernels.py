# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Compiled loops that cut text into lines and documents."""

import numpy as np

from threadmill.kernels import kernel


@kernel
def _space_length(data, position, end):
    """Bytes of the white space character at ``position``, 0 where there is none: those of Python's str.isspace, in UTF-8."""
    first = data[position]
    if first == 32 or 9 <= first <= 13 or 28 <= first <= 31:
        return 1
    if first == 0xC2 and position + 1 < end:
        return 2 if data[position + 1] == 0x85 or data[position + 1] == 0xA0 else 0
    if position + 2 >= end or not 0xE1 <= first <= 0xE3:
        return 0
    point = (np.int64(first & 15) << 12) | (np.int64(data[position + 1] & 63) << 6) | np.int64(data[position + 2] & 63)
    if 0x2000 <= point <= 0x200A or point == 0x2028 or point == 0x2029:
        return 3
    return 3 if point == 0x1680 or point == 0x202F or point == 0x205F or point == 0x3000 else 0


@kernel
def _skip_space(data, start, end):
    """The first place from ``start`` on that holds no white space, or ``end``."""
    while start < end:
        length = _space_length(data, start, end)
        if length == 0:
            break
        start += length
    return start


@kernel
def cut_lines(data, stops, output, offsets, ends):
    """Takes the lines of ``data`` that are not blank, without the white space before them and the ASCII one behind.

    Args:
        data: uint8, whole lines; the last may lack its newline.
        stops: int64, the places of the newlines, and the end of ``data``.
        output: uint8, as long as ``data``: filled with the lines, end to end.
        offsets: int64, one longer than ``stops``: filled with the lines' bounds in ``output``.
        ends: int64, as long as ``offsets``: filled with the number of the line that follows each document: blank lines end one.

    Returns:
        How many lines, and documents, there are; the bytes of the longest line, and where it begins in ``data``; whether the
        first line was blank, and whether the last was not, so that the last document may go on.
    """
    position, lines, documents, size = 0, 0, 0, 0
    longest, place = 0, 0
    first_blank, is_open = False, False
    offsets[0] = 0
    for stop in stops:
        if position == len(data):
            break
        start, end = _skip_space(data, position, stop), stop
        while end > start and (data[end - 1] == 32 or 9 <= data[end - 1] <= 13):
            end -= 1
        if start == end:
            first_blank = first_blank or position == 0
            if is_open:
                ends[documents] = lines
                documents += 1
            is_open = False
        else:
            output[size : size + end - start] = data[start:end]
            size += end - start
            lines += 1
            offsets[lines] = size
            is_open = True
            if end - start > longest:
                longest, place = end - start, start
        position = stop + 1
    if is_open:
        ends[documents] = lines
        documents += 1
    return lines, documents, longest, place, first_blank, is_open
