"""Distributions as integer tables: an entry drawn evenly is a draw, and it is the same one on every machine."""

import math
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Table = npt.NDArray[np.int64]

ENTRIES = 1 << 14  # of a table of quantiles
# Quantiles are rounded before they are cut to integers, so that the last bit of a machine's logarithm does not show.
_DIGITS = 6


@cache
def log_normal(median: float, sigma: float, low: int, high: int) -> Table:
    """int64[n]: quantiles of a log-normal distribution, cut to integers in [low, high]."""
    normal = NormalDist()
    quantiles = (median * math.exp(sigma * normal.inv_cdf(at)) for at in _levels())
    return _integers(quantiles, low, high)


@cache
def pareto(alpha: float, high: int) -> Table:
    """int64[n]: quantiles of a Pareto distribution with minimum 1, cut to integers in [1, high]."""
    return _integers(((1 - at) ** (-1 / alpha) for at in _levels()), 1, high)


@cache
def exponential(mean: float, high: int) -> Table:
    """int64[n]: quantiles of an exponential distribution, cut to integers in [0, high]."""
    return _integers((-mean * math.log(1 - at) for at in _levels()), 0, high)


def weighted(weights: Mapping[int, int], entries: int) -> Table:
    """int64[entries]: each key of ``weights`` as often as its weight asks."""
    keys = np.array(list(weights), np.int64)
    cumulative = np.cumsum(np.array(list(weights.values()), np.int64))
    places = np.arange(entries, dtype=np.int64) * cumulative[-1] // entries
    table: Table = keys[np.searchsorted(cumulative, places, side="right")]
    return table


def _levels() -> Iterator[float]:
    return ((entry + 0.5) / ENTRIES for entry in range(ENTRIES))


def _integers(quantiles: Iterable[float], low: int, high: int) -> Table:
    table: Table = np.array([min(max(math.floor(round(value, _DIGITS)), low), high) for value in quantiles], np.int64)
    table.setflags(write=False)  # callers share it
    return table
