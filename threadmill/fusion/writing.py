"""Writes the shards of conversations from ordered comments, making the examples of several groups at a time."""

from collections import deque
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from threadmill.conversations.config import SPLITS, ConversationsConfig
from threadmill.conversations.examples import feature_names
from threadmill.conversations.formats import Piece, ShardWriter, open_shard
from threadmill.conversations.placement import POSITION_BITS
from threadmill.conversations.stage import encode_group
from threadmill.datasets.counters import Counters
from threadmill.datasets.shards import ShardName
from threadmill.engine.stage import ShardStream, TaskOutput, TaskResult
from threadmill.fusion.groups import Group, GroupCutter
from threadmill.fusion.ordering import order_comments


class ShardsWriter:
    """Writes the shards of all splits, each from front to back, while threads make the examples of the next groups.

    Args:
        counts: shards a split.
        workers: threads.
    """

    def __init__(self, output: TaskOutput, config: ConversationsConfig, counts: Mapping[str, int], workers: int) -> None:
        self._output, self._config, self._counts = output, config, counts
        self._features = feature_names(config)
        self._cutters = {split: GroupCutter(count) for split, count in counts.items() if count}
        self._pool = ThreadPoolExecutor(workers)
        self._pending: deque[tuple[ShardName, Future[tuple[Iterable[Piece], Counters]]]] = deque()
        self._most_pending = workers
        self._open: dict[str, tuple[ExitStack, ShardStream, ShardWriter]] = {}
        self._next = dict.fromkeys(counts, 0)
        self.counters = Counters()
        self.examples = {split: 0 for split, count in counts.items() if count}

    def __enter__(self) -> "ShardsWriter":
        return self

    def add(self, comments: pl.DataFrame) -> None:
        """Takes comments whose threads' positions lie after those of all that came before."""
        ordered = order_comments(comments)
        edges = np.searchsorted(ordered.place, np.arange(len(SPLITS) + 1) << POSITION_BITS).tolist()
        for number, split in enumerate(SPLITS):
            if edges[number + 1] > edges[number]:
                cutter = self._cutters[split]
                for group in cutter.add(ordered, edges[number], edges[number + 1]):
                    self._submit(split, group)
                cutter.release()

    def finish(self) -> None:
        """Writes what is left, shards without examples too."""
        for split, cutter in self._cutters.items():
            for group in cutter.finish():
                self._submit(split, group)
        while self._pending:
            self._write_first()
        for split in self._cutters:
            self._advance(split, self._counts[split])

    def _submit(self, split: str, group: Group) -> None:
        shard = ShardName(split, group.index, self._counts[split], self._config.format)
        self._pending.append((shard, self._pool.submit(self._encode, group, shard)))
        if len(self._pending) > self._most_pending:
            self._write_first()

    def _encode(self, group: Group, shard: ShardName) -> tuple[Iterable[Piece], Counters]:
        return encode_group(group.comments(), self._config, shard, group.number)

    def _write_first(self) -> None:
        shard, future = self._pending.popleft()
        pieces, counters = future.result()
        self._advance(shard.split, shard.index + 1)
        _, stream, examples = self._open[shard.split]
        for piece in pieces:
            examples.write(piece)
        stream.records += counters.written
        self.counters.merge(counters)
        self.examples[shard.split] += counters.written

    def _advance(self, split: str, count: int) -> None:
        """Opens the split's shards one after the other, each closing the one before, until ``count`` were opened."""
        while self._next[split] < count:
            self._close(split)
            name = ShardName(split, self._next[split], self._counts[split], self._config.format)
            shard = ExitStack()
            stream = shard.enter_context(self._output.shard(str(name)))
            examples = shard.enter_context(open_shard(stream, self._config.format, self._features))
            self._open[split] = shard, stream, examples
            self._next[split] += 1

    def _close(self, split: str) -> None:
        if split in self._open:
            shard, *_ = self._open.pop(split)
            shard.close()

    def in_order(self, result: TaskResult) -> TaskResult:
        """The result with its shards in the order of splits, as the stages list them."""
        places = {split: number for number, split in enumerate(SPLITS)}
        named = [(ShardName.parse(shard.name), shard) for shard in result.shards]
        ordered = sorted(named, key=lambda pair: (places[pair[0].split], pair[0].index) if pair[0] else (0, 0))
        return replace(result, shards=tuple(shard for _, shard in ordered))

    def __exit__(self, *error: Any) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)
        for split in list(self._open):
            shard, *_ = self._open.pop(split)
            shard.__exit__(*error)
