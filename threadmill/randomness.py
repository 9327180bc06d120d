# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Random numbers and hashes for compiled loops, the same on every machine: SplitMix64 (Steele, Lea, Flood 2014) and FNV-1a.

A stream is a uint64[1] array that holds its state. Streams are keyed, not shared: what a loop draws depends on its key
alone, never on what ran before it. numba's caches of the callers hold copies of these functions: change no constant here.
"""

import hashlib

import numpy as np
import numpy.typing as npt
from numba import njit

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_FNV_OFFSET, _FNV_PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_TO_UNIT = 2.0**-53


@njit(nogil=True, cache=True)
def mix(value):
    """SplitMix64's finaliser: a bijection of uint64 in which every input bit reaches every output bit."""
    value = np.uint64(value)  # from Python a uint64 comes as an int, which numba may take for an int64
    value = (value ^ (value >> np.uint64(30))) * _MIX_1
    value = (value ^ (value >> np.uint64(27))) * _MIX_2
    return value ^ (value >> np.uint64(31))


@njit(nogil=True, cache=True)
def combine(key, part):
    """The uint64 key of the ``part``-th stream below ``key``; ``part`` is 0 or more."""
    return mix((np.uint64(key) ^ mix(np.uint64(part) + _GAMMA)) + _GAMMA)


@njit(nogil=True, cache=True)
def uniform(stream):
    """The next float64 in [0, 1), of 53 random bits."""
    stream[0] += _GAMMA
    return np.float64(mix(stream[0]) >> np.uint64(11)) * _TO_UNIT


@njit(nogil=True, cache=True)
def below(stream, bound):
    """The next int64 in [0, bound); its bias is under bound / 2**53."""
    return np.int64(uniform(stream) * bound)


@njit(nogil=True, cache=True)
def permutation(key, count):
    """int64[count]: 0 .. count-1 in random order (Fisher and Yates)."""
    stream = np.empty(1, np.uint64)
    stream[0] = key
    order = np.arange(count)
    for index in range(count - 1, 0, -1):
        other = below(stream, index + 1)
        order[index], order[other] = order[other], order[index]
    return order


@njit(nogil=True, cache=True)
def hash_bytes(state, data, start, end):
    """FNV-1a of data[start:end], going on from ``state``; ends with a byte that UTF-8 never has, so that fields keep apart."""
    for index in range(start, end):
        state = (state ^ np.uint64(data[index])) * _FNV_PRIME
    return (state ^ np.uint64(0xFF)) * _FNV_PRIME


@njit(nogil=True, cache=True)
def hash_rows(key, first, first_offsets, second, second_offsets):
    """uint64[n]: a keyed hash of each pair of strings, given as UTF-8 bytes and n + 1 offsets each."""
    count = len(first_offsets) - 1
    hashes = np.empty(count, np.uint64)
    for row in range(count):
        state = hash_bytes(_FNV_OFFSET ^ mix(key), first, first_offsets[row], first_offsets[row + 1])
        state = hash_bytes(state, second, second_offsets[row], second_offsets[row + 1])
        hashes[row] = mix(state)
    return hashes


def stream_key(*parts: str | int) -> np.uint64:
    """A uint64 key from what names a stream: ``stream_key(seed, "train-00000-of-00004")``."""
    digest = hashlib.sha256("\0".join(map(str, parts)).encode()).digest()
    key: npt.NDArray[np.uint64] = np.frombuffer(digest, "<u8", 1)
    return np.uint64(key[0])
