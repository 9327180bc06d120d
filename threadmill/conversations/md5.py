"""MD5 (RFC 1321) of many short texts at once: hashlib costs half a microsecond a text for the call alone."""

import numpy as np
import numpy.typing as npt
from numba import njit

# RFC 1321, section 3.4: the shift amounts of each round, and the table of sines.
_SHIFTS = np.array([7, 12, 17, 22] * 4 + [5, 9, 14, 20] * 4 + [4, 11, 16, 23] * 4 + [6, 10, 15, 21] * 4, np.uint32)
_SINES = (np.abs(np.sin(np.arange(1, 65, dtype=np.float64))) * 2**32).astype(np.uint64).astype(np.uint32)
_START = np.array([0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476], np.uint32)

MAX_BYTES = 55  # what fits into one block with its padding and length


@njit(nogil=True, cache=True)
def md5_digests(data: npt.NDArray[np.uint8], offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.uint8]:
    """uint8[n, 16]: the digests of the texts ``data[offsets[i]:offsets[i + 1]]``, of 55 bytes at most each."""
    count = len(offsets) - 1
    digests = np.empty((count, 16), np.uint8)
    words = np.empty(16, np.uint32)
    for row in range(count):
        _fill_block(data, offsets[row], offsets[row + 1], words)
        state = _digest_block(words)
        for index in range(16):
            digests[row, index] = np.uint8((state[index // 4] >> np.uint32(8 * (index % 4))) & np.uint32(0xFF))
    return digests


@njit(nogil=True, cache=True)
def _fill_block(data, start, end, words):  # type: ignore[no-untyped-def]
    """The one padded block of a short message: its bytes, a 1 bit, zeros, its length in bits."""
    words[:] = np.uint32(0)
    for index in range(end - start):
        words[index >> 2] |= np.uint32(data[start + index]) << np.uint32(8 * (index & 3))
    length = end - start
    words[length >> 2] |= np.uint32(0x80) << np.uint32(8 * (length & 3))
    words[14] = np.uint32(length * 8)


@njit(nogil=True, cache=True)
def _digest_block(words):  # type: ignore[no-untyped-def]
    a, b, c, d = _START[0], _START[1], _START[2], _START[3]
    for step in range(64):
        if step < 16:
            mixed, word = (b & c) | (~b & d), step
        elif step < 32:
            mixed, word = (d & b) | (~d & c), (5 * step + 1) & 15
        elif step < 48:
            mixed, word = b ^ c ^ d, (3 * step + 5) & 15
        else:
            mixed, word = c ^ (b | ~d), (7 * step) & 15
        turned = np.uint32(a + np.uint32(mixed) + _SINES[step] + words[word])
        shift = _SHIFTS[step]
        a, d, c = d, c, b
        b = np.uint32(b + ((turned << shift) | (turned >> (np.uint32(32) - shift))))
    return (np.uint32(_START[0] + a), np.uint32(_START[1] + b), np.uint32(_START[2] + c), np.uint32(_START[3] + d))


@njit(nogil=True, cache=True)
def hex_digits(digests: npt.NDArray[np.uint8], first: int, count: int) -> npt.NDArray[np.int64]:
    """int64[n]: the number that ``count`` (15 at most) hexadecimal digits of each digest from ``first`` (of 32, from 1) spell."""
    numbers = np.zeros(len(digests), np.int64)
    for row in range(len(digests)):
        for digit in range(first - 1, first - 1 + count):
            byte = np.int64(digests[row, digit >> 1])
            numbers[row] = (numbers[row] << 4) | ((byte >> 4) if digit % 2 == 0 else (byte & 15))
    return numbers
