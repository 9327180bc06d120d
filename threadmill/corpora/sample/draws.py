# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""One random number for each comment, from its id: the same whatever block the comment is in."""

import numpy as np
import numpy.typing as npt
from numba import njit

from threadmill.randomness import combine, stream_key


def draw(keys: npt.NDArray[np.int64], seed: int, purpose: str, bound: int) -> npt.NDArray[np.int64]:
    """int64[n] in [0, ``bound``), for ``bound`` up to 2**32, one for each key; purposes are independent of each other."""
    draws: npt.NDArray[np.int64] = _draw(keys, stream_key(seed, purpose), np.uint64(bound))
    return draws


@njit(nogil=True, cache=True)
def _draw(keys, key, bound):
    out = np.empty(len(keys), np.int64)
    for row in range(len(keys)):
        out[row] = np.int64(((combine(key, keys[row]) >> np.uint64(32)) * bound) >> np.uint64(32))
    return out
