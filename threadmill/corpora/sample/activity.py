"""Who answers whom, and when: threads open, get their comments in order of time, and close; months flow into each other."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from threadmill.corpora.sample import activity_kernels as kernels
from threadmill.corpora.sample.months import Month
from threadmill.randomness import stream_key

Ints = npt.NDArray[np.int64]

_FIRST_SLOTS = 1 << 10
_WARM_UP = 8  # the world has run for 1/8 of a month when the first month begins


class Activity:
    """The state of the world between two comments.

    Its memory grows with the threads that are open at once, not with the comments.
    """

    def __init__(self, society: kernels.Society, first: Month, seed: int) -> None:
        self._society = society
        self._seed = seed
        self._stream = np.array([stream_key(seed, "activity", first.number)], np.uint64)
        self._state = kernels.new_state(_FIRST_SLOTS)
        mean = float(society.quantiles[kernels.SIZE].mean())
        # Fewer births while comments are overdue, more while none is: the queue stays short.
        self._odds = np.array([int(kernels.ODDS * share / mean) for share in (0.6, 2.5)], np.int64)

    def warm_up(self, month: Month, comments: int, block: int) -> None:
        """Runs the end of ``month`` unseen, so that the next begins with threads under way."""
        first = comments - comments // _WARM_UP
        for _ in self._run(month, comments, first, np.zeros((0, 3), np.int64), block):
            pass

    def month(self, month: Month, comments: int, block: int) -> Iterator[Ints]:
        """int64[columns, up to block] of a month's comments, in order of time (columns: see activity_kernels)."""
        return self._run(month, comments, 0, _special_threads(comments), block)

    def _run(self, month: Month, comments: int, first: int, special: Ints, block: int) -> Iterator[Ints]:
        for start in range(first, comments, block):
            places = np.arange(start, min(start + block, comments), dtype=np.int64)
            out = np.empty((kernels.COLUMNS, len(places)), np.int64)
            out[kernels.ID] = month.ids(places, comments, self._seed)
            out[kernels.UTC] = month.seconds(places, comments, self._seed)
            self._state = kernels.with_room(self._state, len(places))
            kernels.advance(self._state, self._society, self._stream, self._odds, special, start, out)
            yield out


def _special_threads(comments: int) -> Ints:
    """int64[threads, 3] of (place in the month, comments, chain or not): what every month has, however the dice fall.

    That is a deep chain and a deeper one, a mega-thread, and a chain that goes on in the next month; each (the last number)
    in months with at least so many comments.
    """
    threads = [
        (comments // 12, 16, 1, 200),
        (comments // 10, 130, 1, 5_000),
        (comments // 6, comments // 50, 0, 500),
        (comments - comments // 12, 24, 1, 200),
    ]
    return np.array([thread[:3] for thread in threads if comments >= thread[3]], np.int64).reshape(-1, 3)
