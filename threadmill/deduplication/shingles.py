# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Shingles of an example's text, and a hash of all of it: what deduplication compares.

The text is context and response, in lower case (Unicode's mapping), each run of white space (Unicode's White_Space) one
space, none at the ends. A mark that no text holds divides the two.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
from numba import njit

from threadmill.datasets.arrow_text import large_strings, text_buffers

Keys = npt.NDArray[np.int64]

_DIVIDER = np.uint64(0x110000)  # the first number that is no code point
_SPACE = np.uint64(0x20)
_BASE = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53)  # MurmurHash3's finaliser
_SHIFT = np.uint64(33)


@dataclass(frozen=True)
class Shingles:
    """Of n examples: uint64[] hashes of their shingles, int64[n + 1] where each one's begin, int64[n] hashes of whole texts."""

    hashes: npt.NDArray[np.uint64]
    offsets: Keys
    exact: Keys


def shingles_of(contexts: pl.Series, responses: pl.Series, ngram: int) -> Shingles:
    """The shingles of examples: each run of ``ngram`` characters, one at least. Null counts as "".

    A hash is of 64 bits: one pair in a thousand million examples may be equal by chance.
    """
    parts = [text_buffers(large_strings(texts.str.to_lowercase())) for texts in (contexts, responses)]
    (context, context_offsets), (response, response_offsets) = parts
    longest = np.diff(context_offsets) + np.diff(response_offsets) + 1
    room = int(np.maximum(longest - ngram + 1, 1).sum())
    hashes = np.empty(room, np.uint64)
    offsets, exact = np.zeros(len(contexts) + 1, np.int64), np.empty(len(contexts), np.int64)
    if len(contexts):
        window = np.empty(int(longest.max()) + 1, np.uint32)
        _hash_all(context, context_offsets, response, response_offsets, ngram, window, hashes, offsets, exact)
    return Shingles(hashes[: offsets[-1]], offsets, exact)


@njit(nogil=True, cache=True)
def mixed(value):
    """A bijection of uint64 in which each bit depends on all."""
    value ^= value >> _SHIFT
    value *= _MIX_1
    value ^= value >> _SHIFT
    value *= _MIX_2
    return value ^ (value >> _SHIFT)


@njit(nogil=True, cache=True)
def _hash_all(context, context_offsets, response, response_offsets, ngram, text, hashes, offsets, exact):
    written = 0
    for row in range(len(exact)):
        length = _normalise(context, context_offsets[row], context_offsets[row + 1], text, 0)
        text[length] = _DIVIDER
        length = _normalise(response, response_offsets[row], response_offsets[row + 1], text, length + 1)
        whole = np.uint64(length)
        for place in range(length):
            whole = mixed(whole ^ np.uint64(text[place]))
        exact[row] = np.int64(whole)
        written = _shingle(text, length, ngram, hashes, written)
        offsets[row + 1] = written


@njit(nogil=True, cache=True)
def _normalise(content, start, end, text, length):
    """Appends the code points of UTF-8 to ``text`` from ``length`` on, white space normalised; returns the new length."""
    first, position = length, start
    blank = False
    while position < end:
        lead = content[position]
        if lead < 0x80:
            point, position = np.uint32(lead), position + 1
        elif lead < 0xE0:
            point = np.uint32(((lead & 0x1F) << 6) | (content[position + 1] & 0x3F))
            position += 2
        elif lead < 0xF0:
            point = np.uint32(((lead & 0x0F) << 12) | ((content[position + 1] & 0x3F) << 6) | (content[position + 2] & 0x3F))
            position += 3
        else:
            high = ((lead & 0x07) << 18) | ((content[position + 1] & 0x3F) << 12)
            point = np.uint32(high | ((content[position + 2] & 0x3F) << 6) | (content[position + 3] & 0x3F))
            position += 4
        if _is_space(point):
            blank = length > first
            continue
        if blank:
            text[length] = _SPACE
            length += 1
            blank = False
        text[length] = point
        length += 1
    return length


@njit(nogil=True, cache=True)
def _is_space(point):
    if point <= 0x20:
        return point == 0x20 or 0x09 <= point <= 0x0D
    if point < 0x85:
        return False
    return (
        point == 0x85
        or point == 0xA0
        or point == 0x1680
        or 0x2000 <= point <= 0x200A
        or point == 0x2028
        or point == 0x2029
        or point == 0x202F
        or point == 0x205F
        or point == 0x3000
    )


@njit(nogil=True, cache=True)
def _shingle(text, length, ngram, hashes, written):
    """Appends the hash of each run of ``ngram`` code points, a polynomial that rolls; a shorter text is one shingle."""
    rolling, leaving = np.uint64(0), np.uint64(1)
    for _ in range(ngram):
        leaving *= _BASE
    for place in range(length):
        rolling = rolling * _BASE + np.uint64(text[place])
        if place >= ngram:
            rolling -= np.uint64(text[place - ngram]) * leaving
        if place >= ngram - 1:
            hashes[written] = mixed(rolling)
            written += 1
    if length < ngram:
        hashes[written] = mixed(rolling)
        written += 1
    return written
