"""Dumps to conversations in one pass: ingest, threads and conversations with no datasets between them."""

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from threadmill.conversations.config import SPLITS, ConversationsConfig, ThreadsConfig
from threadmill.conversations.placement import shard_counts
from threadmill.conversations.rules import prepare
from threadmill.conversations.stage import ConversationsStage, encode_group, example_schema, refuse_no_examples
from threadmill.corpora.reddit.comments import DeadLetter
from threadmill.corpora.reddit.ingest import IngestStage, dead_letters_name, parsed_blocks, write_letters
from threadmill.datasets.counters import Counters
from threadmill.datasets.shards import ShardName
from threadmill.datasets.storage import local_path
from threadmill.engine.local import available_workers
from threadmill.engine.prefetch import prefetch
from threadmill.engine.stage import MapStage, Plan, ShardStream, Task, TaskOutput, TaskResult
from threadmill.errors import InputError
from threadmill.fusion.groups import Group, GroupCutter
from threadmill.fusion.spool import HELD_ROWS, Spool
from threadmill.months import month_range

_COLUMNS = (
    "id",
    "parent_id",
    "parent_kind",
    "thread_id",
    "subreddit",
    "author",
    "removal",
    "created_utc",
    "source_row",
    "faults",
)


@dataclass(frozen=True)
class RedditConfig(ThreadsConfig, ConversationsConfig):
    """The settings of both stages."""

    def __post_init__(self) -> None:
        ThreadsConfig.__post_init__(self)
        ConversationsConfig.__post_init__(self)


class RedditStage(MapStage):
    """Makes the shards that ingest, threads and conversations make one after the other, in one task.

    Comments are reduced to what conversations need as they are read, and held (or spilled, where they are many) in the
    order of threads. The funnel counts lines, from the dump to the examples.

    Args:
        sources: dumps; see `IngestStage`.
        workers: threads that make examples at a time.
        held_rows: comments that are held in memory at most; more are spilled to the dataset's folder.
    """

    name = ConversationsStage.name
    version = ConversationsStage.version
    unit = "lines"

    def __init__(
        self, sources: tuple[str, ...], config: RedditConfig, workers: int | None = None, held_rows: int = HELD_ROWS
    ) -> None:
        self.config = config
        self._ingest = IngestStage(sources)
        self._workers, self._held_rows = workers or available_workers(), held_rows

    def plan(self) -> Plan:
        """One task. Raises what `IngestStage.plan` raises."""
        plan = self._ingest.plan()
        return Plan(plan.inputs, (Task("conversations"),), example_schema(self.config), plan.partial)

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Reads all sources, then writes all shards.

        Raises:
            InputError: a source is damaged or holds no lines, or there is no comment, none of the month, or no example.
        """
        counters, months = Counters(), Counter[str]()
        body_bytes = 0
        with Spool(local_path(output.uri), self.config, self._held_rows) as spool:
            for block in self._blocks(output):
                spool.add(block.comments)
                counters.merge(block.counters)
                months.update(block.months)
                body_bytes += block.body_bytes
            self._refuse_no_comments(counters, months)
            writer = _ShardWriter(output, self.config, shard_counts(self.config, body_bytes), self._workers)
            with writer:
                for comments in spool.partitions():
                    unique, duplicates = _without_duplicates(comments, self.config.prefer_original)
                    counters.drop("duplicate", duplicates)
                    writer.add(unique)
                writer.finish()
        counters.kept = counters.written = writer.counters.written
        for reason, count in writer.counters.dropped.items():
            counters.drop(reason, count)
        refuse_no_examples(counters, ", ".join(self._ingest.sources), self.unit)
        return writer.in_order(output.result(task, counters, {"examples": writer.examples}))

    def _blocks(self, output: TaskOutput) -> Iterator["_Block"]:
        for index, name in enumerate(self._ingest.task_names()):
            source = self._ingest.sources[index]
            with output.dead_letters(dead_letters_name(name)) as stream:
                parsed = parsed_blocks(source, index)
                for block in prefetch(_Block.of(lines, frame, letters, self.config) for lines, frame, letters in parsed):
                    write_letters(stream, source, block.letters)
                    yield block

    def _refuse_no_comments(self, counters: Counters, months: Mapping[str, int]) -> None:
        left = Counters(counters.read, counters.read - sum(counters.dropped.values()), 0, counters.dropped)
        self._ingest.check(left)
        if self.config.month and self.config.month not in months:
            raise InputError(
                f"no comment of {self.config.month} in {', '.join(self._ingest.sources)} (they hold {month_range(months)}); "
                "name the month's dump among the sources, or another month"
            )

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Examples a split."""
        return dict(parts[0])


@dataclass(frozen=True)
class _Block:
    """What a block of lines gave: comments reduced to what conversations need, and counts of all the rest."""

    comments: pl.DataFrame
    letters: Sequence[DeadLetter]
    counters: Counters
    months: Mapping[str, int]
    body_bytes: int

    @classmethod
    def of(cls, lines: int, frame: pl.DataFrame, letters: Sequence[DeadLetter], config: RedditConfig) -> "_Block":
        counters = Counters(read=lines)
        for letter in letters:
            counters.drop(letter.reason)
        months = dict(frame["month"].value_counts().iter_rows())
        comments = prepare(frame, config).select(*_COLUMNS, _shortened(config), _is_new(config))
        return cls(comments, letters, counters, months, int(frame["body"].str.len_bytes().sum()))


def _shortened(config: RedditConfig) -> pl.Expr:
    """The body as far as its length and its trimmed text tell: one character over the limit."""
    return pl.col("body").str.head(config.max_length + 1)


def _is_new(config: RedditConfig) -> pl.Expr:
    return (pl.col("month") == config.month if config.month else pl.lit(True)).alias("is_new")


def _without_duplicates(comments: pl.DataFrame, prefer_original: bool) -> tuple[pl.DataFrame, int]:
    """The comments less those whose id another has that stays (see sql/duplicate_comments.sql), and how many went."""
    keys = comments["thread_id"].hash() ^ comments["id"].hash(1)
    if keys.n_unique() == comments.height:
        return comments, 0
    rank = [pl.col("removal").is_null(), pl.col("source_row")] if prefer_original else [pl.col("source_row")]
    last = pl.struct(rank).rank("ordinal").over("thread_id", "id") == pl.len().over("thread_id", "id")
    unique = comments.filter(last)
    return unique, comments.height - unique.height


class _ShardWriter:
    """Writes the shards of all splits, each from front to back, while threads make the examples of the next groups."""

    def __init__(self, output: TaskOutput, config: RedditConfig, counts: Mapping[str, int], workers: int) -> None:
        self._output, self._config, self._counts = output, config, counts
        self._cutters = {split: GroupCutter(count) for split, count in counts.items() if count}
        self._pool = ThreadPoolExecutor(workers)
        self._pending: deque[tuple[ShardName, Future[tuple[memoryview, Counters]]]] = deque()
        self._most_pending = 2 * workers
        self._open: dict[str, tuple[ExitStack, ShardStream]] = {}
        self._next = dict.fromkeys(counts, 0)
        self.counters = Counters()
        self.examples = {split: 0 for split, count in counts.items() if count}

    def __enter__(self) -> "_ShardWriter":
        return self

    def add(self, comments: pl.DataFrame) -> None:
        """Takes a partition of the order of threads."""
        for number, split in enumerate(SPLITS):
            rows = comments.filter(pl.col("split_index") == number)
            if rows.height:
                for group in self._cutters[split].add(rows):
                    self._submit(split, group)

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
        future = self._pool.submit(encode_group, group.comments, self._config, shard, group.number)
        self._pending.append((shard, future))
        if len(self._pending) > self._most_pending:
            self._write_first()

    def _write_first(self) -> None:
        shard, future = self._pending.popleft()
        content, counters = future.result()
        self._advance(shard.split, shard.index + 1)
        _, stream = self._open[shard.split]
        stream.write(content)
        stream.records += counters.written
        self.counters.merge(counters)
        self.examples[shard.split] += counters.written

    def _advance(self, split: str, count: int) -> None:
        """Opens the split's shards one after the other, each closing the one before, until ``count`` were opened."""
        while self._next[split] < count:
            self._close(split)
            name = ShardName(split, self._next[split], self._counts[split], self._config.format)
            shard = ExitStack()
            self._open[split] = shard, shard.enter_context(self._output.shard(str(name)))
            self._next[split] += 1

    def _close(self, split: str) -> None:
        if split in self._open:
            shard, _ = self._open.pop(split)
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
            shard, _ = self._open.pop(split)
            shard.__exit__(*error)
