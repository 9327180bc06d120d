"""The ingest stage: dumps to Parquet shards of comments, with dead letters for the lines that hold none."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from threadmill.corpora.reddit.comments import SCHEMA, DeadLetter, parse_block
from threadmill.corpora.reddit.config import IngestConfig
from threadmill.corpora.reddit.dump import Block, check_source, read_blocks
from threadmill.datasets import storage
from threadmill.datasets.counters import Counters
from threadmill.datasets.digest import file_digest
from threadmill.datasets.manifest import InputEntry
from threadmill.datasets.shards import ShardName
from threadmill.engine.prefetch import prefetch
from threadmill.engine.stage import MapStage, NumberedShards, Plan, ShardStream, Task, TaskOutput, TaskResult
from threadmill.errors import InputError
from threadmill.months import month_range

_ROWS_OF_ONE_SOURCE = 1 << 40  # apart, so that source_row tells the order over all sources
_DICTIONARY_COLUMNS = ["parent_kind", "subreddit", "author", "distinguished", "removal", "month"]

Parsed = tuple[int, pl.DataFrame, list[DeadLetter]]


@dataclass(frozen=True)
class IngestStage(MapStage):
    """Reads each source once, in order, one task a source. The funnel counts lines.

    Args:
        sources: dumps, in the order in which a later duplicate replaces an earlier one.
        month: of which each source must hold comments (YYYY-MM); "" for any. The bytes do not depend on it.
    """

    name = "ingest"
    version = 1
    unit = "lines"

    sources: tuple[str, ...]
    config: IngestConfig = field(default_factory=IngestConfig)
    month: str = ""

    def plan(self) -> Plan:
        """One task a source; reads each once for its digest.

        Raises:
            InputError: a source is missing, empty or no file, or two of them are the same.
        """
        if not self.sources:
            raise InputError("no source was named; name one dump at least, such as RC_2006-01.zst")
        for source in self.sources:
            check_source(source)
        tasks = tuple(Task(name, index) for index, name in enumerate(self.task_names()))
        inputs = tuple(InputEntry(storage.name_of(source), file_digest(source), source) for source in self.sources)
        for first, second in combinations(inputs, 2):
            if first.digest == second.digest:
                raise InputError(f"{first.uri} and {second.uri} are the same, byte for byte; name one of them")
        return Plan(inputs, tasks, SCHEMA)

    def task_names(self) -> list[str]:
        """The sources' names less their endings; where two are alike, each with its number."""
        stems = [storage.name_of(source).split(".")[0] or "source" for source in self.sources]
        alike = Counter(stems)
        return [stem if alike[stem] == 1 else f"{stem}.{index}" for index, stem in enumerate(stems)]

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Reads one source to its shards and dead letters."""
        source = self.sources[task.payload]
        counters, statistics = Counters(), _Statistics()
        with (
            output.dead_letters(dead_letters_name(task.name)) as letters_stream,
            output.numbered_shards(task.name, "parquet") as shards,
            _ParquetShards(shards, self.config.shard_rows) as writer,
        ):
            for lines, frame, letters in parsed_blocks(source, task.payload):
                writer.write(frame)
                statistics.add(frame)
                write_letters(letters_stream, source, letters)
                counters.read += lines
                counters.kept += frame.height
                for letter in letters:
                    counters.drop(letter.reason)
            self._check_months(source, statistics.months)
        counters.written = counters.kept
        return output.result(task, counters, statistics.to_json())

    def _check_months(self, source: str, months: Mapping[str, int]) -> None:
        if self.month and months and self.month not in months:
            held = month_range(months)
            raise InputError(f"{source} holds no comment of {self.month}, but of {held}; name the month's dump, or another month")

    def check(self, counters: Counters) -> None:
        """Raises InputError where no line held a comment."""
        if not counters.kept:
            reasons = ", ".join(f"{reason}: {count}" for reason, count in counters.dropped.items())
            raise InputError(
                f"none of the {counters.read} lines of {', '.join(self.sources)} is a comment ({reasons}); "
                "name a file of Reddit comments"
            )

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Comments a month, tombstones by who removed, UTF-8 bytes of all bodies."""
        merged = _Statistics()
        for part in parts:
            merged.merge(part)
        return merged.to_json()


def dead_letters_name(task: str) -> str:
    """The file of a task's dead letters."""
    return str(ShardName(f"dead_letters-{task}", 0, 1, "jsonl"))


def parsed_blocks(source: str, index: int) -> Iterator[Parsed]:
    """The ``index``-th source in blocks: lines read, comments, dead letters. Reading and parsing overlap.

    Raises:
        InputError: while it is read: the source is damaged, or holds no lines.
    """
    blocks = prefetch(_read_any_blocks(source))
    return prefetch((block.lines, *parse_block(block, index * _ROWS_OF_ONE_SOURCE)) for block in blocks)


def _read_any_blocks(source: str) -> Iterator[Block]:
    count = 0
    for block in read_blocks(source):
        count += 1
        yield block
    if not count:
        raise InputError(f"{source} holds no lines; download it again")


def write_letters(stream: ShardStream, source: str, letters: Sequence[DeadLetter]) -> None:
    """Appends dead letters as JSON lines, with the source's name."""
    for letter in letters:
        entry = {"file": storage.name_of(source), "line": letter.line, "reason": letter.reason}
        stream.write(orjson.dumps({**entry, "detail": letter.detail, "text": letter.text}, option=orjson.OPT_APPEND_NEWLINE))
        stream.records += 1


class _ParquetShards:
    """Cuts a stream of frames into Parquet shards of ``shard_rows`` rows."""

    def __init__(self, shards: NumberedShards, shard_rows: int) -> None:
        self._shards, self._shard_rows = shards, shard_rows
        self._shard: ExitStack | None = None

    def __enter__(self) -> "_ParquetShards":
        return self

    def write(self, frame: pl.DataFrame) -> None:
        """Appends rows, opening shards as they are needed."""
        start = 0
        while start < frame.height:
            if self._shard is None:
                self._shard = self._open(frame)
            rows = frame.slice(start, self._shard_rows - self._stream.records)
            self._writer.write_table(_arrow(rows))
            self._stream.records += rows.height
            start += rows.height
            if self._stream.records == self._shard_rows:
                shard, self._shard = self._shard, None
                shard.close()

    def _open(self, frame: pl.DataFrame) -> ExitStack:
        schema = _arrow(frame.clear()).schema
        with ExitStack() as shard:
            self._stream = shard.enter_context(self._shards.shard())
            self._writer = shard.enter_context(
                pq.ParquetWriter(
                    self._stream, schema, compression="zstd", compression_level=1, use_dictionary=_DICTIONARY_COLUMNS
                )
            )
            return shard.pop_all()

    def __exit__(self, *error: Any) -> None:
        if self._shard is not None:
            self._shard.__exit__(*error)


def _arrow(frame: pl.DataFrame) -> pa.Table:
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())


class _Statistics:
    """What the stages and checks after this one ask about the comments."""

    def __init__(self) -> None:
        self.months: Counter[str] = Counter()
        self.removals: Counter[str] = Counter()
        self.body_bytes = 0

    def add(self, frame: pl.DataFrame) -> None:
        self.months.update(dict(frame["month"].value_counts().iter_rows()))
        self.removals.update(dict(frame["removal"].drop_nulls().value_counts().iter_rows()))
        self.body_bytes += int(frame["body"].str.len_bytes().sum())

    def merge(self, part: Mapping[str, Any]) -> None:
        self.months.update(part["months"])
        self.removals.update(part["removals"])
        self.body_bytes += part["body_bytes"]

    def to_json(self) -> dict[str, Any]:
        return {
            "months": dict(sorted(self.months.items())),
            "removals": dict(sorted(self.removals.items())),
            "body_bytes": self.body_bytes,
        }
