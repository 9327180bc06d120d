"""The ingest stage: dumps to Parquet shards of comments, with dead letters for the lines that hold none."""

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import orjson

from threadmill.corpora.addresses import public_uri
from threadmill.corpora.reddit.comment_shards import ParquetShards
from threadmill.corpora.reddit.comment_statistics import CommentStatistics, merged_statistics
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
from threadmill.engine.stage import MapStage, Plan, ShardStream, Task, TaskOutput, TaskResult
from threadmill.errors import InputError
from threadmill.takedown.ledger import Ledger

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
    counters, statistics, partial = Counters(), CommentStatistics(), False
    with (
        output.dead_letters(dead_letters_name(task.name)) as letters_stream,
        output.numbered_shards(task.name, "parquet") as shards,
        ParquetShards(shards, shard_rows) as writer,
    ):
        for parsed, taken_down in pieces:
            writer.write(parsed.comments)
            statistics.add(source, parsed)
            write_letters(letters_stream, source, parsed.letters)
            counters.kept += parsed.comments.height
            for letter in parsed.letters:
                counters.drop(letter.reason)
            counters.drop("taken_down", taken_down)
            counters.read += parsed.lines
            partial = partial or bool(parsed.partial)
    counters.written = counters.kept
    return output.result(task, counters, statistics.to_json(), partial=partial)
