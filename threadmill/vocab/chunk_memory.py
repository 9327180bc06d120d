# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""What the compiled encoders share: code points of UTF-8, and a small memory of the ids that short chunks of text have."""

from typing import Any, NamedTuple

import numpy as np

from threadmill.kernels import inlined, kernel

KEY_BYTES = 16  # a longer chunk is not remembered
DONE, NEEDS_PAGE, NEEDS_EXACT, NEEDS_ROOM = range(4)  # what an encoder's loop stops for

_SLOT_BITS = 17
_SLOT_WORDS = 8  # of 64 bits, one cache line: the chunk's bytes, the count of its ids, and the ids
_SLOT_IDS = 11
_COUNT, _FIRST_ID = 4, 5  # places in a slot seen as int32
_HASH_1, _HASH_2 = np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F)
_SHIFT = np.uint64(64 - _SLOT_BITS)


class Memory(NamedTuple):
    """The ids of chunks that one thread saw lately, 8 MiB, and scratch.

    Attributes:
        slots: uint64[2**17, 8]; ``numbers`` is the same memory as int32.
        word: uint8, letters of the chunk at work.
    """

    slots: Any
    numbers: Any
    word: Any


def new_memory(word_bytes: int) -> Memory:
    """A memory that knows nothing, with ``word_bytes`` of scratch."""
    slots = np.zeros((1 << _SLOT_BITS, _SLOT_WORDS), np.uint64)
    return Memory(slots, slots.view(np.int32), np.empty(word_bytes, np.uint8))


@kernel
def code_point(data, position):
    """The code point at ``position`` of valid UTF-8, and where the next begins."""
    first = np.int64(data[position])
    if first < 0x80:
        return first, position + 1
    if first < 0xE0:
        return (first & 0x1F) << 6 | (data[position + 1] & 0x3F), position + 2
    if first < 0xF0:
        middle = np.int64(data[position + 1] & 0x3F) << 6
        return (first & 0x0F) << 12 | middle | (data[position + 2] & 0x3F), position + 3
    middle = np.int64(data[position + 1] & 0x3F) << 12 | np.int64(data[position + 2] & 0x3F) << 6
    return (first & 0x07) << 18 | middle | (data[position + 3] & 0x3F), position + 4


@inlined
def _slot(low, high):
    return np.int64(((low ^ (high * _HASH_2)) * _HASH_1) >> _SHIFT)


@inlined
def recall(slots, numbers, low, high, ids, count):
    """Writes a chunk's ids to ids[count:]; the count after them, or -1 where the chunk is not known.

    Args:
        low, high: uint64, what tells the chunk from all others; two zeros have no ids at first.
    """
    slot = _slot(low, high)
    if slots[slot, 0] != low or slots[slot, 1] != high:
        slot ^= 1
        if slots[slot, 0] != low or slots[slot, 1] != high:
            return -1
    found = numbers[slot, _COUNT]
    for index in range(found):
        ids[count + index] = numbers[slot, _FIRST_ID + index]
    return count + found


@kernel
def remember(slots, numbers, low, high, ids, first, after):
    """Keeps ids[first:after] as those of a chunk, if they are few; of two chunks at one place the older one goes."""
    if after - first > _SLOT_IDS:
        return
    slot = _slot(low, high)
    for index in range(_SLOT_WORDS):
        slots[slot ^ 1, index] = slots[slot, index]
    slots[slot, 0], slots[slot, 1] = low, high
    numbers[slot, _COUNT] = after - first
    for index in range(after - first):
        numbers[slot, _FIRST_ID + index] = ids[first + index]
