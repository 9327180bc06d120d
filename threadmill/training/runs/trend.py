"""Where a loss has risen for good: the mean of the last 100 steps against the lowest such mean before."""

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

WINDOW = 100


class LossTrend:
    """The running mean of a run's losses.

    Args:
        losses: of the steps from 1 on, which a run that goes on finds in its log.

    Attributes:
        lowest: the lowest mean of `WINDOW` steps so far, nats; infinite before there are so many.
        lowest_step: the last step of that mean.
    """

    def __init__(self, losses: Sequence[float] = ()) -> None:
        self._window = deque(losses[-WINDOW:], WINDOW)
        self._step = len(losses)
        self.lowest, self.lowest_step = _lowest_mean(losses)

    def add(self, loss: float) -> None:
        """Takes the next step's loss."""
        self._window.append(loss)
        self._step += 1
        mean = self.mean
        if mean < self.lowest:
            self.lowest, self.lowest_step = mean, self._step

    @property
    def mean(self) -> float:
        """Of the last `WINDOW` steps; infinite before there are so many."""
        return math.fsum(self._window) / WINDOW if len(self._window) == WINDOW else math.inf

    @property
    def rise(self) -> float:
        """By how much the mean is above the lowest before; 0 before there are two to compare."""
        return self.mean - self.lowest if self.lowest < math.inf else 0.0


def _lowest_mean(losses: Sequence[float]) -> tuple[float, int]:
    if len(losses) < WINDOW:
        return math.inf, 0
    sums = np.cumsum(np.concatenate([[0.0], np.asarray(losses, np.float64)]))
    means = (sums[WINDOW:] - sums[:-WINDOW]) / WINDOW
    lowest = int(means.argmin())
    return float(means[lowest]), lowest + WINDOW
