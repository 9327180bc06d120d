# mypy: disable-error-code="no-untyped-def,no-untyped-call,assignment"
"""Compiled loops of byte-level BPE: GPT-2's cutting of text into words (Radford et al. 2019), and their merges.

The cutting is that of the pattern 's|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+, which a
scan along the text follows without going back; the ids of what it cuts off depend on nothing beside it.
"""

from typing import Any, NamedTuple

import numpy as np

from threadmill.kernels import inlined, kernel
from threadmill.vocab.chunk_memory import DONE, KEY_BYTES, NEEDS_EXACT, NEEDS_PAGE, NEEDS_ROOM, code_point, recall, remember

SPACE, LETTER, NUMBER, OTHER, EXACT = range(5)  # what a character is to the pattern; EXACT: the loops leave its line alone
PAGE = 256

_NO_PAGE = -1
_LONGEST = 512  # bytes of a word that is merged here; the library is faster with longer ones
_FAR = np.int32(2**31 - 1)
_SPACE_BYTE, _APOSTROPHE = 0x20, 0x27
_EIGHT, _HIGH, _LOW = np.uint64(8), np.uint64(32), np.uint64(0xFFFFFFFF)
_HASH, _SHIFT = np.uint64(0x9E3779B97F4A7C15), np.uint64(20)


class Letters(NamedTuple):
    """What code points are, made page by page; c is at [pages[c // PAGE], c % PAGE], if that page is not -1.

    Attributes:
        pages: int32[0x1100].
        kinds: uint8[p, PAGE].
        bounds: int32[p, PAGE + 1], where in ``content`` each one's UTF-8 lies, in lower case if the vocabulary is.
        content: uint8.
        lowercase: whether it is.
    """

    pages: Any
    kinds: Any
    bounds: Any
    content: Any
    lowercase: bool


class Merges(NamedTuple):
    """The merges of a vocabulary.

    Attributes:
        pairs: uint64[s, 2], an open hash table: a pair of ids plus one, or 0; the pair's rank and the id it becomes.
        bytes: int32[256], the id of each byte.
        prefixed: a line is read as if it began with a space.
    """

    pairs: Any
    bytes: Any
    prefixed: bool


@kernel
def _pair_slot(pairs, left, right):
    """The slot of a pair of ids, or the free slot where it belongs."""
    last = np.uint64(len(pairs) - 1)
    key = ((np.uint64(left) << _HIGH) | np.uint64(right)) + np.uint64(1)
    mixed = key * _HASH
    slot = ((mixed ^ (mixed >> _HIGH)) * _HASH >> _SHIFT) & last
    while pairs[slot, 0] != 0 and pairs[slot, 0] != key:
        slot = (slot + np.uint64(1)) & last
    return slot


@kernel
def build_pairs(left, right, merged):
    """The table of `Merges` from the merges in the order of their ranks; left, right and merged are int32[m]."""
    size = 1024
    while size < 2 * len(left):
        size *= 2
    pairs = np.zeros((size, 2), np.uint64)
    for rank in range(len(left)):
        slot = _pair_slot(pairs, left[rank], right[rank])
        pairs[slot, 0] = ((np.uint64(left[rank]) << _HIGH) | np.uint64(right[rank])) + np.uint64(1)
        pairs[slot, 1] = (np.uint64(rank) << _HIGH) | np.uint64(merged[rank])
    return pairs


@kernel
def _rank(pairs, left, right):
    slot = _pair_slot(pairs, left, right)
    return np.int32(pairs[slot, 1] >> _HIGH) if pairs[slot, 0] != 0 else _FAR


@kernel
def _merge(symbols, count, pairs):
    """Merges symbols[:count] in place, the pair of the lowest rank first, the first of equal ones; how many are left."""
    ranks = np.full(count, _FAR, np.int32)
    for index in range(count - 1):
        ranks[index] = _rank(pairs, symbols[index], symbols[index + 1])
    while count > 1:
        best = 0
        for index in range(1, count - 1):
            if ranks[index] < ranks[best]:
                best = index
        if ranks[best] == _FAR:
            break
        symbols[best] = np.int32(pairs[_pair_slot(pairs, symbols[best], symbols[best + 1]), 1] & _LOW)
        count -= 1
        for index in range(best + 1, count):
            symbols[index], ranks[index] = symbols[index + 1], ranks[index + 1]
        ranks[best] = _rank(pairs, symbols[best], symbols[best + 1]) if best + 1 < count else _FAR
        if best > 0:
            ranks[best - 1] = _rank(pairs, symbols[best - 1], symbols[best])
    return count


@kernel
def _encode_chunk(data, start, stop, padded, letters, merges, ids, count):
    """Writes the ids of data[start:stop], after a space if ``padded``, to ids[count:]; the count after them."""
    symbols, size = np.empty(2 * (stop - start) + 1, np.int32), 0
    if padded:
        symbols[0], size = merges.bytes[_SPACE_BYTE], 1
    position = start
    while position < stop:
        point, position = code_point(data, position)
        page, place = letters.pages[point >> 8], point & 0xFF
        for index in range(letters.bounds[page, place], letters.bounds[page, place + 1]):
            symbols[size] = merges.bytes[letters.content[index]]
            size += 1
    size = _merge(symbols, size, merges.pairs)
    for index in range(size):
        ids[count + index] = symbols[index]
    return count + size


@inlined
def _kind(data, position, pages, kinds):
    """What the character at ``position`` is, or _NO_PAGE, and where the next one begins."""
    if data[position] < 0x80:
        return np.int64(kinds[0, data[position]]), position + 1
    point, after = code_point(data, position)
    page = pages[point >> 8]
    if page < 0:
        return _NO_PAGE, position
    return np.int64(kinds[page, point & 0xFF]), after


@inlined
def _run(data, position, end, wanted, pages, kinds):
    """Goes on over characters that are ``wanted``: what stops them, where, and where the last one began."""
    kind, last = wanted, position
    while position < end:
        byte = data[position]
        if byte < 0x80:
            kind, after = np.int64(kinds[0, byte]), position + 1
        else:
            kind, after = _kind(data, position, pages, kinds)
        if kind != wanted:
            break
        last, position = position, after
    return kind, position, last


@inlined
def _contraction(data, position, end, lowercase):
    """The length of 's, 't, 're, 've, 'm, 'll or 'd at ``position``, or 0."""
    fold = 0x20 if lowercase else 0
    first = data[position + 1] | fold if position + 1 < end else 0
    if first == 115 or first == 116 or first == 109 or first == 100:
        return 2
    second = data[position + 2] | fold if position + 2 < end else 0
    if ((first == 114 or first == 118) and second == 101) or (first == 108 and second == 108):
        return 3
    return 0


@inlined
def _white_space(data, start, end, pages, kinds):
    """Where the white space at ``start`` is cut: its last character goes with what follows, unless it is the only one."""
    kind, stop, last = _run(data, start, end, SPACE, pages, kinds)
    if kind in (_NO_PAGE, EXACT):
        return kind, stop
    return SPACE, stop if stop == end or last == start else last


@inlined
def _next_chunk(data, start, end, padded, pages, kinds, lowercase):
    """Where the chunk at ``start`` ends.

    Returns:
        A kind and a place: _NO_PAGE and the character whose page is missing; EXACT; or else the place where it ends.
    """
    if data[start] == _APOSTROPHE and not padded:
        length = _contraction(data, start, end, lowercase)
        if length:
            return OTHER, start + length
    kind, after = _kind(data, start, pages, kinds)
    if data[start] == _SPACE_BYTE and after < end:
        follows, _ = _kind(data, after, pages, kinds)
        if follows != SPACE:
            kind = follows
    if padded and kind == SPACE:
        return EXACT, start
    if kind in (_NO_PAGE, EXACT):
        return kind, start if after == start else after
    if kind == SPACE:
        return _white_space(data, start, end, pages, kinds)
    stopped_by, stop, _ = _run(data, after, end, kind, pages, kinds)
    if stopped_by in (_NO_PAGE, EXACT):
        return stopped_by, stop
    return kind, stop


@inlined
def _pack(data, start, stop, padded):
    """The bytes of a short chunk, none of them NUL, as two numbers."""
    low, high, position = np.uint64(_SPACE_BYTE * padded), np.uint64(0), start
    while position < min(stop, start + 8 - padded):
        low = (low << _EIGHT) | np.uint64(data[position])
        position += 1
    while position < stop:
        high = (high << _EIGHT) | np.uint64(data[position])
        position += 1
    return low, high


@kernel
def _encode_line(data, begin, end, letters, merges, memory, state, ids, count):
    slots, numbers, pages, kinds = memory.slots, memory.numbers, letters.pages, letters.kinds
    prefixed, lowercase, position = merges.prefixed, letters.lowercase, state[1]
    while position < end:
        state[1], state[2] = position, count
        padded = np.int64(prefixed and position == begin and data[position] != _SPACE_BYTE)
        kind, stop = _next_chunk(data, position, end, padded, pages, kinds, lowercase)
        if kind == _NO_PAGE:
            state[3] = code_point(data, stop)[0] >> 8
            return NEEDS_PAGE
        if kind == EXACT or stop - position > _LONGEST:
            return NEEDS_EXACT
        short = stop - position + padded <= KEY_BYTES
        after = -1
        if short:
            low, high = _pack(data, position, stop, padded)
            after = recall(slots, numbers, low, high, ids, count)
        if after < 0:
            after = _encode_chunk(data, position, stop, padded, letters, merges, ids, count)
            if short:
                remember(slots, numbers, low, high, ids, count, after)
        position, count = stop, after
    state[1], state[2] = end, count
    return DONE


@kernel
def encode_lines(data, offsets, letters, merges, memory, state, ids, id_offsets):
    """Tokenises lines until all are done or something is needed from outside; called again, it goes on from ``state``.

    Args:
        data: uint8, valid UTF-8; line i is data[offsets[i]:offsets[i + 1]].
        state: int64[4], zeros at first: the line; the place in ``data`` where the last chunk began, and the count of ids
            before it; what is needed.
        ids: int32, what is written; line i gets ids[id_offsets[i]:id_offsets[i + 1]].

    Returns:
        DONE; NEEDS_PAGE (state[3] is the page); NEEDS_EXACT (the line, whose ids begin at id_offsets[state[0]], must be
        tokenised by other means); NEEDS_ROOM (``ids`` must hold state[3] more than its count).
    """
    for line in range(state[0], len(offsets) - 1):
        begin, end = offsets[line], offsets[line + 1]
        state[0], state[1] = line, max(begin, state[1])
        if state[2] + 2 * (end - state[1]) + 1 > len(ids):
            state[3] = 2 * (end - state[1]) + 1
            return NEEDS_ROOM
        need = _encode_line(data, begin, end, letters, merges, memory, state, ids, state[2])
        if need != DONE:
            return need
        id_offsets[line + 1] = state[2]
    return DONE
