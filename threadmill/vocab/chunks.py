# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Compiled loops that cut text into chunks, number the distinct ones, and put a line's tokens together.

A chunk is an ASCII punctuation mark, or what stands between such marks and white space. BERT's text rules never look
across these (Devlin et al. 2018; google-research/bert, tokenization.py), so that chunks can be tokenised one by one.
"""

import numpy as np
from numba import njit

from threadmill.randomness import hash_bytes, mix


@njit(nogil=True, cache=True)
def _is_space(byte):
    return byte == 32 or byte == 10 or byte == 9 or byte == 13


@njit(nogil=True, cache=True)
def _is_punctuation(byte):
    """The ASCII characters that BERT makes tokens of their own: all that are neither letters, digits, space nor control."""
    return 33 <= byte <= 47 or 58 <= byte <= 64 or 91 <= byte <= 96 or 123 <= byte <= 126


@njit(nogil=True, cache=True)
def _next_chunk(data, position, end):
    """Bounds of the first chunk in data[position:end], both ``end`` where there is none."""
    while position < end and _is_space(data[position]):
        position += 1
    start = position
    if position < end and _is_punctuation(data[position]):
        return start, start + 1
    while position < end and not _is_space(data[position]) and not _is_punctuation(data[position]):
        position += 1
    return start, position


@njit(nogil=True, cache=True)
def count_chunks(data, offsets):
    """int64[n + 1]: where each line's chunks begin, counted over all lines; lines are data[offsets[i]:offsets[i + 1]]."""
    bounds = np.zeros(len(offsets), np.int64)
    for line in range(len(offsets) - 1):
        count = 0
        start, stop = _next_chunk(data, offsets[line], offsets[line + 1])
        while start < stop:
            count += 1
            start, stop = _next_chunk(data, stop, offsets[line + 1])
        bounds[line + 1] = bounds[line] + count
    return bounds


@njit(nogil=True, cache=True)
def _same(data, start, other, length):
    index = 0
    while index < length and data[start + index] == data[other + index]:
        index += 1
    return index == length


@njit(nogil=True, cache=True)
def _find(data, start, length, hashed, table, starts, lengths):
    """The slot of the chunk in ``table``, or the free slot where it belongs."""
    last = len(table) - 1
    slot = np.int64(hashed & np.uint64(last))
    while table[slot] >= 0:
        number = table[slot]
        if lengths[number] == length and _same(data, start, starts[number], length):
            break
        slot = (slot + 1) & last
    return slot


@njit(nogil=True, cache=True)
def _grown(data, starts, lengths, count):
    """A table of four times ``count`` slots that holds the first ``count`` chunks."""
    size = 1024
    while size < 4 * count:
        size *= 2
    table = np.full(size, -1, np.int64)
    for number in range(count):
        hashed = mix(hash_bytes(np.uint64(0), data, starts[number], starts[number] + lengths[number]))
        table[_find(data, starts[number], lengths[number], hashed, table, starts, lengths)] = number
    return table


@njit(nogil=True, cache=True)
def _doubled(array):
    longer = np.empty(2 * len(array), array.dtype)
    longer[: len(array)] = array
    return longer


@njit(nogil=True, cache=True)
def number_chunks(data, offsets, total):
    """Numbers the chunks of all lines by their bytes.

    Args:
        data: uint8, UTF-8.
        offsets: int64[n + 1], the lines' bounds in ``data``.
        total: chunks in all, as `count_chunks` says.

    Returns:
        int32[total], the number of each chunk; int64[d] twice, where the first of each number stands and its length.
    """
    numbers = np.empty(total, np.int32)
    starts, lengths = np.empty(1024, np.int64), np.empty(1024, np.int64)
    table = _grown(data, starts, lengths, 0)
    chunk, distinct = 0, 0
    for line in range(len(offsets) - 1):
        start, stop = _next_chunk(data, offsets[line], offsets[line + 1])
        while start < stop:
            hashed = mix(hash_bytes(np.uint64(0), data, start, stop))
            slot = _find(data, start, stop - start, hashed, table, starts, lengths)
            if table[slot] < 0:
                if distinct == len(starts):
                    starts, lengths = _doubled(starts), _doubled(lengths)
                starts[distinct], lengths[distinct] = start, stop - start
                table[slot] = distinct
                distinct += 1
            numbers[chunk] = table[slot]
            chunk += 1
            if 2 * distinct > len(table):
                table = _grown(data, starts, lengths, distinct)
            start, stop = _next_chunk(data, stop, offsets[line + 1])
    return numbers, starts[:distinct].copy(), lengths[:distinct].copy()


@njit(nogil=True, cache=True)
def gather_tokens(numbers, bounds, tokens, token_offsets):
    """The tokens of each line: those of its chunks, end to end.

    Args:
        numbers: int32[c], the chunks of all lines; line i has numbers[bounds[i]:bounds[i + 1]].
        tokens: int32, the tokens of chunk k are tokens[token_offsets[k]:token_offsets[k + 1]].

    Returns:
        int32[t], and int64[n + 1], each line's bounds in it.
    """
    offsets = np.zeros(len(bounds), np.int64)
    for line in range(len(bounds) - 1):
        length = 0
        for chunk in range(bounds[line], bounds[line + 1]):
            length += token_offsets[numbers[chunk] + 1] - token_offsets[numbers[chunk]]
        offsets[line + 1] = offsets[line] + length
    flat = np.empty(offsets[-1], np.int32)
    position = 0
    for chunk in range(len(numbers)):
        for index in range(token_offsets[numbers[chunk]], token_offsets[numbers[chunk] + 1]):
            flat[position] = tokens[index]
            position += 1
    return flat, offsets
