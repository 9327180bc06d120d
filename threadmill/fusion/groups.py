"""Cuts the comments of a split, in order, into the groups of whole threads that its shards are made of."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import polars as pl

from threadmill.conversations import thread_shards
from threadmill.conversations.placement import POSITION_BITS


@dataclass(frozen=True)
class Group:
    """Whole threads of one shard: the ``number``-th group of the shard ``index``."""

    index: int
    number: int
    comments: pl.DataFrame


class GroupCutter:
    """Cuts as thread_shards does: at the end of a shard, else with the first thread that brings a group to GROUP_ROWS.

    Args:
        shards: of the split.
    """

    def __init__(self, shards: int) -> None:
        self._shards, self._group_rows = shards, thread_shards.GROUP_ROWS
        self._held: pl.DataFrame | None = None
        self._number = 0

    def add(self, comments: pl.DataFrame) -> Iterator[Group]:
        """The groups that ``comments`` complete; the rest is held."""
        data = comments if self._held is None else pl.concat([self._held, comments])
        begins = _thread_begins(data["thread_id"])
        index = data["thread_position"].gather(begins).to_numpy() * self._shards >> POSITION_BITS
        first = 0
        while (last := self._end(begins, index, first)) < len(begins):
            start = int(begins[first])
            yield Group(int(index[first]), self._number, data[start : int(begins[last])])
            self._number = self._number + 1 if index[last] == index[first] else 0
            first = last
        self._held = data[int(begins[first]) :]

    def _end(self, begins: np.ndarray, index: np.ndarray, first: int) -> int:
        """The thread with which the next group begins; len(begins) where it is not there yet."""
        edge = int(np.searchsorted(index, index[first], side="right"))
        full = int(np.searchsorted(begins, begins[first] + self._group_rows))
        return min(edge, full)

    def finish(self) -> Iterator[Group]:
        """The last group."""
        if self._held is not None and self._held.height:
            position = int(self._held["thread_position"][0])
            yield Group(position * self._shards >> POSITION_BITS, self._number, self._held)


def _thread_begins(threads: pl.Series) -> np.ndarray:
    return (threads != threads.shift(1)).fill_null(True).arg_true().to_numpy().astype(np.int64)
