"""Where a loss has risen for good: the mean of the last 100 steps against the lowest such mean before."""

import math
from collections import deque
from collections.abc import Sequence

import numpy as np

WINDOW = 100
_FEW = 10


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
        self.lowest, self.lowest_step = _lowest_mean(losses, WINDOW)
        self._lowest_window = list(losses[max(0, self.lowest_step - WINDOW) : self.lowest_step])

    def add(self, loss: float) -> None:
        """Takes the next step's loss."""
        self._window.append(loss)
        self._step += 1
        mean = self.mean
        if mean <= self.lowest and mean < math.inf:  # of equal ones the last
            self.lowest, self.lowest_step, self._lowest_window = mean, self._step, list(self._window)

    @property
    def mean(self) -> float:
        """Of the last `WINDOW` steps; infinite before there are so many."""
        return math.fsum(self._window) / WINDOW if len(self._window) == WINDOW else math.inf

    @property
    def rise(self) -> float:
        """By how much the mean is above the lowest before; 0 before there are two to compare."""
        return self.mean - self.lowest if self.lowest < math.inf else 0.0

    @property
    def calm_step(self) -> int:
        """A step from before the loss began to rise: the last of the lowest ten steps of the lowest hundred."""
        return self._calm[1]

    @property
    def recent_rise(self) -> float:
        """By how much the last ten steps are above those lowest ten; 0 before there are so many."""
        return math.fsum(list(self._window)[-_FEW:]) / _FEW - self._calm[0] if len(self._window) >= _FEW else 0.0

    @property
    def _calm(self) -> tuple[float, int]:
        window, end = (self._lowest_window, self.lowest_step) if self._lowest_window else (list(self._window), self._step)
        mean, step = _lowest_mean(window, _FEW)
        return mean, end - len(window) + step


def _lowest_mean(losses: Sequence[float], size: int) -> tuple[float, int]:
    """The lowest mean of ``size`` losses that follow one another, and the number of the last of them, from 1 on."""
    if len(losses) < size:
        return math.inf, 0
    sums = np.cumsum(np.concatenate([[0.0], np.asarray(losses, np.float64)]))
    means = (sums[size:] - sums[:-size]) / size
    lowest = len(means) - 1 - int(means[::-1].argmin())  # of equal ones the last
    return float(means[lowest]), lowest + size
