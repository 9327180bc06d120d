"""A random sample of lines, drawn in one pass with bounded memory, that does not depend on the order of the pass."""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from threadmill.datasets.arrow_text import text_buffers
from threadmill.randomness import hash_rows, stream_key

Keys = npt.NDArray[np.uint64]

_SLACK = 100_000


def line_keys(groups: pa.Array, lines: pa.Array, seed: int) -> Keys:
    """uint64[n]: a hash of each line and of the group (such as its thread) that it stands in, keyed by ``seed``.

    A line that stands twice in one group has one key, and so counts once.
    """
    keys: Keys = hash_rows(stream_key("sample", seed), *text_buffers(groups), *text_buffers(lines))
    return keys


class BottomSample:
    """The ``size`` lines of the smallest keys among all that were added: since keys are hashes, a random sample.

    Bottom-k sampling (Cohen and Kaplan 2007): which lines are chosen depends on the set of lines only, not on their
    order or on how they are spread over shards. Holds at most about twice ``size`` lines at any time.

    Attributes:
        repeated: lines whose key was there already.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._keys: list[Keys] = []
        self._lines: list[pa.Array] = []
        self._held = 0
        self._bound: np.uint64 | None = None  # no key above it can be among the smallest any more
        self.repeated = 0

    def add(self, keys: Keys, lines: pa.Array) -> None:
        """Offers lines (large_string[n]) with their keys (uint64[n])."""
        distinct, places = np.unique(keys, return_index=True)
        self.repeated += len(keys) - len(distinct)
        if self._bound is not None:
            near = distinct <= self._bound
            distinct, places = distinct[near], places[near]
        self._keys.append(distinct)
        self._lines.append(lines.take(pa.array(places)))
        self._held += len(distinct)
        if self._held > 2 * self._size + _SLACK:
            self._compact()

    def lines(self) -> pa.Array:
        """The sample (large_string), in the order of the keys, which is random."""
        self._compact()
        return self._lines[0]

    def _compact(self) -> None:
        keys = np.concatenate([np.zeros(0, np.uint64), *self._keys])
        lines = pa.concat_arrays([pa.array([], pa.large_string()), *self._lines])
        distinct, places = np.unique(keys, return_index=True)
        self.repeated += len(keys) - len(distinct)
        if len(distinct) >= self._size:
            distinct, places = distinct[: self._size], places[: self._size]
            self._bound = distinct[-1]
        self._keys, self._lines, self._held = [distinct], [lines.take(pa.array(places))], len(distinct)
