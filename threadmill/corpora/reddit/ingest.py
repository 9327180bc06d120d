"""The ingest stage: dumps to Parquet shards of comments, with dead letters for the lines that hold none."""

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import orjson
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from threadmill.corpora.addresses import public_uri
from threadmill.corpora.reddit.bad_lines import BadLines
from threadmill.corpora.reddit.comments import SCHEMA, DeadLetter, Parsed
from threadmill.corpora.reddit.config import IngestConfig
from threadmill.corpora.reddit.dump_names import refuse_two_of_a_month, source_name, source_stem
from threadmill.corpora.reddit.opt_outs import leave_out
from threadmill.corpora.reddit.reading import parsed_blocks
from threadmill.corpora.reddit.sources import check_source, source_state
from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import InputEntry
from threadmill.datasets.shards import ShardName
from threadmill.engine.local import available_workers
from threadmill.engine.stage import MapStage, NumberedShards, Plan, ShardStream, Task, TaskOutput, TaskResult
from threadmill.errors import InputError
from threadmill.takedown.ledger import Ledger

_DICTIONARY_COLUMNS = ["parent_kind", "subreddit", "author", "distinguished", "removal", "month"]
_MOST_THREADS = 4  # decompression, which is one thread's, feeds no more of them


@dataclass(frozen=True)
class SourceTask:
    """The payload of a task: which source, and its fingerprint when it was planned."""

    index: int
    fingerprint: str


@dataclass(frozen=True)
class IngestStage(MapStage):
    """Reads each source once, in order, one task a source. The funnel counts lines.

    Args:
        sources: dumps, in the order in which a later duplicate replaces an earlier one.
        ledger: URI of a takedown ledger, whose comments are left out; "" for none.
    """

    name = "ingest"
    version = 2
    unit = "lines"

    sources: tuple[str, ...]
    config: IngestConfig = field(default_factory=IngestConfig)
    ledger: str = ""

    def plan(self) -> Plan:
        """One task a source; reads each once for its digest, and downloads those on the web.

        Raises:
            InputError: a source is missing, empty or no file, changes meanwhile, or two are the same or of the same month.
        """
        if not self.sources:
            raise InputError("no source was named; name one dump at least, such as RC_2006-01.zst")
        for source in self.sources:
            check_source(source)
        if not self.config.merge_dumps:
            refuse_two_of_a_month(self.sources)
        states = [source_state(source) for source in self.sources]
        inputs = [
            InputEntry(source_name(uri), state.digest, public_uri(uri)) for uri, state in zip(self.sources, states, strict=True)
        ]
        for first, second in combinations(inputs, 2):
            if first.digest == second.digest:
                raise InputError(f"{first.uri} and {second.uri} are the same, byte for byte; name one of them")
        if self.ledger:
            inputs.append(Ledger.load(self.ledger).as_input())
        tasks = (Task(name, SourceTask(index, states[index].fingerprint)) for index, name in enumerate(self.task_names()))
        return Plan(tuple(inputs), tuple(tasks), SCHEMA)

    def task_names(self) -> list[str]:
        """The sources' names less their endings; where two are alike, each with its number."""
        stems = [source_stem(source) for source in self.sources]
        alike = Counter(stems)
        return [stem if alike[stem] == 1 else f"{stem}.{index}" for index, stem in enumerate(stems)]

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Reads one source to its shards and dead letters."""
        source = self.sources[task.payload.index]
        return write_comments(task, output, source, self._read(task.payload), self.config.shard_rows)

    def _read(self, task: SourceTask) -> Iterator[tuple[Parsed, int]]:
        """The source's pieces less the comments that the ledger names, each with the number of those."""
        less = functools.partial(leave_out, ledger=Ledger.load(self.ledger))
        threads = min(_MOST_THREADS, max(1, available_workers() // len(self.sources)))
        return parsed_blocks(self.sources[task.index], task.index, self.config, less, threads, task.fingerprint)

    def check(self, counters: Counters) -> None:
        """Raises InputError where no line held a comment."""
        if not counters.kept:
            reasons = ", ".join(f"{reason}: {count}" for reason, count in counters.dropped.items())
            raise InputError(
                f"none of the {counters.read} lines of {', '.join(self.sources)} is a comment ({reasons}); "
                "name a file of Reddit comments"
            )

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Comments a month, tombstones by who removed, UTF-8 bytes of all bodies, bad lines.

        Raises:
            InputError: too many lines of all sources together are bad.
        """
        return merged_statistics(parts, self.config.max_bad_fraction)


def dead_letters_name(task: str) -> str:
    """The file of a task's dead letters."""
    return str(ShardName(f"dead_letters-{task}", 0, 1, "jsonl"))


def write_letters(stream: ShardStream, source: str, letters: Sequence[DeadLetter]) -> None:
    """Appends dead letters as JSON lines, with the source's name."""
    for letter in letters:
        entry = {"file": source_name(source), "line": letter.line, "reason": letter.reason}
        stream.write(orjson.dumps({**entry, "detail": letter.detail, "text": letter.text}, option=orjson.OPT_APPEND_NEWLINE))
        stream.records += 1


def write_comments(
    task: Task, output: TaskOutput, source: str, pieces: Iterable[tuple[Parsed, int]], shard_rows: int
) -> TaskResult:
    """Writes what a source gave to shards of ``shard_rows`` comments and to dead letters.

    Args:
        pieces: what its pieces gave, each with the number of comments that were taken out of it.
    """
    counters, statistics, partial = Counters(), _Statistics(), False
    with (
        output.dead_letters(dead_letters_name(task.name)) as letters_stream,
        output.numbered_shards(task.name, "parquet") as shards,
        _ParquetShards(shards, shard_rows) as writer,
    ):
        for parsed, taken_down in pieces:
            writer.write(parsed.comments)
            statistics.add(parsed)
            statistics.bad_lines.add(source, parsed.letters)
            write_letters(letters_stream, source, parsed.letters)
            counters.kept += parsed.comments.height
            for letter in parsed.letters:
                counters.drop(letter.reason)
            counters.drop("taken_down", taken_down)
            counters.read += parsed.lines
            partial = partial or bool(parsed.partial)
    counters.written = counters.kept
    return output.result(task, counters, statistics.to_json(), partial=partial)


def merged_statistics(parts: Sequence[Mapping[str, Any]], max_bad_fraction: float) -> dict[str, Any]:
    """The statistics of all sources; raises InputError where too many lines of all of them together are bad."""
    merged = _Statistics()
    for part in parts:
        merged.merge(part)
    merged.bad_lines.check(merged.lines, max_bad_fraction)
    return merged.to_json()


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
        self.lines = 0
        self.bad_lines = BadLines()

    def add(self, parsed: Parsed) -> None:
        frame = parsed.comments
        self.lines += parsed.lines
        self.months.update(dict(frame["month"].value_counts().iter_rows()))
        self.removals.update(dict(frame["removal"].drop_nulls().value_counts().iter_rows()))
        self.body_bytes += int(frame["body"].str.len_bytes().sum())

    def merge(self, part: Mapping[str, Any]) -> None:
        self.months.update(part["months"])
        self.removals.update(part["removals"])
        self.body_bytes += part["body_bytes"]
        self.lines += part["lines"]
        self.bad_lines.merge(part["bad_lines"])

    def to_json(self) -> dict[str, Any]:
        return {
            "months": dict(sorted(self.months.items())),
            "removals": dict(sorted(self.removals.items())),
            "body_bytes": self.body_bytes,
            "lines": self.lines,
            "bad_lines": self.bad_lines.to_json(),
        }
