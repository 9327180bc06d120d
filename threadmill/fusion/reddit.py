"""Dumps to conversations in one pass: ingest, threads and conversations with no datasets between them."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from threadmill.conversations.config import ConversationsConfig, ThreadsConfig
from threadmill.conversations.placement import shard_counts
from threadmill.conversations.stage import ConversationsStage, example_schema, refuse_no_examples
from threadmill.corpora.reddit.bad_lines import BadLines
from threadmill.corpora.reddit.comments import Parsed
from threadmill.corpora.reddit.config import IngestConfig, SourceConfig
from threadmill.corpora.reddit.ingest import IngestStage, dead_letters_name, write_letters
from threadmill.corpora.reddit.reading import parsed_blocks
from threadmill.datasets.counters import Counters
from threadmill.datasets.storage import scratch_folder
from threadmill.engine.local import available_workers
from threadmill.engine.memory import return_freed_memory
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.errors import InputError
from threadmill.fusion.blocks import OnePassConfig, Reduced, reduce_block, without_duplicates
from threadmill.fusion.spool import HELD_ROWS, Spool
from threadmill.fusion.writing import ShardsWriter
from threadmill.months import month_range
from threadmill.takedown.ledger import Ledger


@dataclass(frozen=True)
class RedditConfig(SourceConfig, OnePassConfig):
    """The settings of the three stages."""

    def __post_init__(self) -> None:
        SourceConfig.__post_init__(self)
        ThreadsConfig.__post_init__(self)
        ConversationsConfig.__post_init__(self)

    def ingest(self) -> IngestConfig:
        """The part that tells how sources are read."""
        return IngestConfig(**{entry.name: getattr(self, entry.name) for entry in fields(SourceConfig)})


class RedditStage(MapStage):
    """Makes the shards that ingest, threads and conversations make one after the other, in one task.

    Comments are reduced to what conversations need as they are read, and held (or spilled, where they are many) in the
    order of threads. The funnel counts lines, from the dump to the examples.

    Args:
        sources: dumps; see `IngestStage`.
        workers: threads that make examples at a time.
        held_rows: comments that are held in memory at most; more are spilled to the dataset's folder.
        ledger: URI of a takedown ledger, whose comments are left out; "" for none.
    """

    name = ConversationsStage.name
    version = ConversationsStage.version
    unit = "lines"

    def __init__(
        self,
        sources: tuple[str, ...],
        config: RedditConfig,
        workers: int | None = None,
        held_rows: int = HELD_ROWS,
        ledger: str = "",
    ) -> None:
        self.config = config
        self._ingest = IngestStage(sources, config.ingest(), ledger)
        self._workers, self._held_rows = workers or available_workers(), held_rows

    def plan(self) -> Plan:
        """One task. Raises what `IngestStage.plan` raises."""
        plan = self._ingest.plan()
        return Plan(plan.inputs, (Task("conversations", plan.tasks),), example_schema(self.config), plan.partial)

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Reads all sources, then writes all shards.

        Raises:
            InputError: a source is damaged or holds no lines, or there is no comment, none of the month, or no example.
        """
        read = _Read()
        with Spool(scratch_folder(output.uri), self._held_rows) as spool:
            for block in self._blocks(task.payload, output, read):
                spool.add(block.comments)
            self._check(read)
            return_freed_memory()
            with ShardsWriter(output, self.config, shard_counts(self.config, read.body_bytes), self._workers) as writer:
                for comments in spool.partitions():
                    unique, duplicates = without_duplicates(comments, prefer_original=self.config.prefer_original)
                    read.counters.drop("duplicate", duplicates)
                    writer.add(unique)
                    return_freed_memory()
                writer.finish()
        counters = read.counters
        counters.kept = counters.written = writer.counters.written
        for reason, count in writer.counters.dropped.items():
            counters.drop(reason, count)
        refuse_no_examples(counters, ", ".join(self._ingest.sources), self.unit)
        return writer.in_order(output.result(task, counters, {"examples": writer.examples}, partial=read.partial))

    def _blocks(self, sources: Sequence[Task], output: TaskOutput, read: "_Read") -> Iterator[Reduced]:
        ledger = Ledger.load(self._ingest.ledger)
        for task in sources:
            source, planned = self._ingest.sources[task.payload.index], task.payload
            with output.dead_letters(dead_letters_name(task.name)) as stream:
                for block in parsed_blocks(
                    source, planned.index, self.config, self._reduce(ledger), self._workers, planned.fingerprint
                ):
                    write_letters(stream, source, block.letters)
                    read.add(source, block)
                    yield block

    def _reduce(self, ledger: Ledger) -> Callable[[Parsed], Reduced]:
        return lambda parsed: reduce_block(parsed, self.config, ledger)

    def _check(self, read: "_Read") -> None:
        left = read.comments
        self._ingest.check(Counters(read.counters.read, left, left, read.counters.dropped))
        read.bad_lines.check(read.counters.read, self.config.max_bad_fraction)
        if self.config.month and self.config.month not in read.months:
            raise InputError(
                f"no comment of {self.config.month} in {', '.join(self._ingest.sources)} (they hold {month_range(read.months)}); "
                "name the month's dump among the sources, or another month"
            )

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Examples a split."""
        return dict(parts[0])


class _Read:
    """What was read so far, of all sources."""

    def __init__(self) -> None:
        self.counters, self.bad_lines = Counters(), BadLines()
        self.months: Counter[str] = Counter()
        self.comments = self.body_bytes = 0
        self.partial = False

    def add(self, source: str, block: Reduced) -> None:
        self.counters.merge(block.counters)
        self.bad_lines.add(source, block.letters)
        self.months.update(block.months)
        self.comments += block.comments.height
        self.body_bytes += block.body_bytes
        self.partial = self.partial or bool(block.partial)
