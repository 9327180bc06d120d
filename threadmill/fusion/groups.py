"""Cuts the comments of a split, in order, into the groups of whole threads that its shards are made of."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from threadmill.conversations import thread_shards
from threadmill.conversations.placement import POSITION_BITS
from threadmill.fusion.ordering import Ordered

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Group:
    """Whole threads of one shard: the ``number``-th group of the shard ``index``. Its comments are gathered when asked for."""

    index: int
    number: int
    pieces: tuple[tuple[pl.DataFrame, Rows], ...]

    def comments(self) -> pl.DataFrame:
        """The comments, in order."""
        return pl.concat([comments[rows] for comments, rows in self.pieces], rechunk=True)


class GroupCutter:
    """Cuts as thread_shards does: at the end of a shard, else with the first thread that brings a group to GROUP_ROWS.

    Args:
        shards: of the split.
    """

    def __init__(self, shards: int) -> None:
        self._shards, self._group_rows = shards, thread_shards.GROUP_ROWS
        self._held: list[tuple[pl.DataFrame, Rows]] = []
        self._begins = np.zeros(0, np.int64)  # of the threads held: their first row
        self._index = np.zeros(0, np.int64)  # and their shard
        self._number = 0

    def add(self, ordered: Ordered, start: int, end: int) -> Iterator[Group]:
        """The groups that the rows from ``start`` to ``end`` of ``ordered``, whole threads of the split, complete."""
        held = sum(len(rows) for _, rows in self._held)
        fresh = np.flatnonzero(ordered.begins[start:end])
        position = ordered.place[start:end][fresh] & ((1 << POSITION_BITS) - 1)
        begins = np.concatenate([self._begins, fresh + held])
        index = np.concatenate([self._index, position * self._shards >> POSITION_BITS])
        self._held.append((ordered.comments, ordered.rows[start:end]))
        first = 0
        while (last := self._end(begins, index, first)) < len(begins):
            yield self._group(int(index[first]), int(begins[last] - begins[first]))
            self._number = self._number + 1 if index[last] == index[first] else 0
            first = last
        self._begins, self._index = begins[first:] - begins[first : first + 1], index[first:]

    def _end(self, begins: Rows, index: Rows, first: int) -> int:
        """The thread with which the next group begins; len(begins) where it is not there yet."""
        if first == len(begins):
            return first
        edge = int(np.searchsorted(index, index[first], side="right"))
        full = int(np.searchsorted(begins, begins[first] + self._group_rows))
        return min(edge, full)

    def _group(self, index: int, size: int) -> Group:
        """Takes the first ``size`` rows held."""
        pieces = []
        while size:
            comments, rows = self._held.pop(0)
            pieces.append((comments, rows[:size]))
            if len(rows) > size:
                self._held.insert(0, (comments, rows[size:]))
            size -= len(pieces[-1][1])
        return Group(index, self._number, tuple(pieces))

    def release(self) -> None:
        """Gathers the rows held, so that the comments which they are a few of can be let go."""
        self._held = [(comments[rows], np.arange(len(rows))) for comments, rows in self._held]

    def finish(self) -> Iterator[Group]:
        """The last group."""
        if size := sum(len(rows) for _, rows in self._held):
            yield self._group(int(self._index[0]), size)
