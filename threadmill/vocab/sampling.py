"""A random sample of lines, drawn in one pass with bounded memory, that does not depend on the order of the pass."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from threadmill.datasets.arrow_text import text_buffers

Keys = npt.NDArray[np.uint64]
Counts = npt.NDArray[np.int64]

SAMPLE_BYTES = 1 << 30
_SLACK = 100_000
_MOST_OF_ONE = 100  # where not all lines fit, one text is at most one of this many of the sample


@dataclass(frozen=True)
class Sample:
    """Lines drawn at random.

    Attributes:
        lines: large_string[n], chunked; their order says nothing.
        keys: uint64[n], by which they were drawn.
    """

    lines: pa.ChunkedArray
    keys: Keys

    def __len__(self) -> int:
        return len(self.keys)

    def split(self, count: int) -> tuple["Sample", "Sample"]:
        """The ``count`` lines of the smallest keys, a random part, and the others."""
        chosen = np.zeros(len(self), np.bool_)
        if count:
            chosen[np.argpartition(self.keys, count - 1)[:count]] = True
        return self._only(chosen), self._only(~chosen)

    def _only(self, chosen: npt.NDArray[np.bool_]) -> "Sample":
        return Sample(self.lines.filter(pa.array(chosen)), self.keys[chosen])


class BottomSample:
    """The ``size`` lines of the smallest keys among all that were added: since keys are hashes, a random sample.

    Bottom-k sampling (Cohen and Kaplan 2007): which lines are chosen depends on the set of lines only, not on their
    order or on how they are spread over shards. Lines of one key are one text: they are drawn together and counted. Holds
    about a quarter more than ``size`` lines and ``max_bytes`` of text at any time.
    """

    def __init__(self, size: int, max_bytes: int = SAMPLE_BYTES) -> None:
        self._size, self._max_bytes = size, max_bytes
        self._chunks: list[tuple[Keys, Counts, pa.Array]] = []
        self._held = self._held_bytes = self._added = 0
        self._bound: np.uint64 | None = None  # no key above it can be among the smallest any more

    def add(self, keys: Keys, lines: pa.Array) -> None:
        """Offers lines (large_string[n]) with their keys (uint64[n])."""
        self._added += len(keys)
        distinct, places, counts = np.unique(keys, return_index=True, return_counts=True)
        if self._bound is not None:
            near = distinct <= self._bound
            distinct, places, counts = distinct[near], places[near], counts[near]
        self._hold(distinct, counts, lines.take(pa.array(places)))
        if self._held > self._size * 5 // 4 + _SLACK or self._held_bytes > self._max_bytes * 5 // 4:
            self._compact()

    def draw(self) -> Sample:
        """The sample. Where not all lines fit, a text that stands in it more often than 1 in 100 is cut to that."""
        self._compact()
        keys = np.concatenate([np.zeros(0, np.uint64), *(chunk[0] for chunk in self._chunks)])
        counts = np.concatenate([np.zeros(0, np.int64), *(chunk[1] for chunk in self._chunks)])
        sizes = np.concatenate([np.zeros(0, np.int64), *(_sizes(chunk[2]) for chunk in self._chunks)])
        if self._added > self._size or int((counts * sizes).sum()) > self._max_bytes:
            counts = np.minimum(counts, max(1, self._size // _MOST_OF_ONE))
            order = np.argsort(keys)
            counts[order] = _filled(counts[order], sizes[order], self._size, self._max_bytes)
        bounds = np.cumsum([0, *(len(chunk[0]) for chunk in self._chunks)])
        lines = [
            chunk[2] if (times == 1).all() else chunk[2].take(pa.array(np.repeat(np.arange(len(times)), times)))
            for chunk, times in zip(self._chunks, np.split(counts, bounds[1:-1]), strict=True)
        ] if self._chunks else []  # fmt: skip
        return Sample(pa.chunked_array(lines, pa.large_string()), np.repeat(keys, counts))

    def _hold(self, keys: Keys, counts: Counts, lines: pa.Array) -> None:
        if len(keys):
            self._chunks.append((keys, counts, lines))
            self._held += len(keys)
            self._held_bytes += lines.nbytes

    def _compact(self) -> None:
        """Puts lines of one key together, and drops those that cannot be among the smallest; chunk by chunk."""
        chunks, self._chunks, self._held, self._held_bytes = self._chunks, [], 0, 0
        keys = np.concatenate([np.zeros(0, np.uint64), *(chunk[0] for chunk in chunks)])
        sizes = np.concatenate([np.zeros(0, np.int64), *(_sizes(chunk[2]) for chunk in chunks)])
        counts = np.concatenate([np.zeros(0, np.int64), *(chunk[1] for chunk in chunks)])
        distinct, places, inverse = np.unique(keys, return_index=True, return_inverse=True)
        sums = np.bincount(inverse, counts, len(distinct)).astype(np.int64)
        most = max(1, min(self._size, int(np.searchsorted(np.cumsum(sizes[places]), self._max_bytes, side="right"))))
        if len(distinct) > most:
            self._bound = distinct[most] - np.uint64(1)
        elif len(distinct) == self._size:
            self._bound = distinct[-1]
        places = places[:most]
        total = np.zeros(len(keys), np.int64)
        total[places] = sums[: len(places)]
        start = 0
        for number, chunk in enumerate(chunks):
            counts = total[start : start + len(chunk[0])]
            start += len(chunk[0])
            kept = counts > 0
            self._hold(chunk[0][kept], counts[kept], chunk[2].filter(pa.array(kept)))
            chunks[number] = (chunk[0], chunk[1], pa.array([], pa.large_string()))  # frees its text


def _sizes(lines: pa.Array) -> Counts:
    """int64[n]: the bytes of each line."""
    return np.diff(text_buffers(lines)[1])


def _filled(counts: Counts, sizes: Counts, size: int, max_bytes: int) -> Counts:
    """``counts`` from the front until they are ``size`` lines or ``max_bytes``, the rest 0; the last is cut to fit."""
    lines = np.cumsum(counts)
    counts = np.minimum(counts, np.maximum(size - (lines - counts), 0))
    filled = np.cumsum(counts * sizes)
    over = filled > max_bytes
    over[0] = False  # a sample has a line
    return np.where(over, 0, counts)
