"""The corpus stage: text of any source to shards of one sentence a line, with a blank line between documents."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import orjson

from threadmill.corpora.addresses import public_uri
from threadmill.corpora.reddit.sources import refuse_change, source_state
from threadmill.corpora.source import Source
from threadmill.corpora.text.characters import character_table
from threadmill.corpora.text.config import CorpusConfig
from threadmill.corpora.text.preparation import prepare
from threadmill.corpora.text.readers import READERS, most_lines, passage_lines, splits_sentences
from threadmill.corpora.text.sources import find_sources
from threadmill.corpora.text.texts import DeadLetter, Prepared, Texts
from threadmill.corpora.text.writing import CorpusWriter
from threadmill.datasets.manifest import Field, InputEntry
from threadmill.datasets.shards import ShardName
from threadmill.engine.local import available_workers
from threadmill.engine.ordered import map_in_order
from threadmill.engine.prefetch import prefetch
from threadmill.engine.stage import MapStage, Plan, ShardStream, Task, TaskOutput, TaskResult
from threadmill.errors import InputError

log = logging.getLogger(__name__)

STAGE = "corpus"
_SECONDS_BETWEEN_LINES = 15.0
_FIRST_BAD = 3


class CorpusStage(MapStage):
    """Reads all sources once, in order, in one task. The funnel counts documents; lines are written.

    Args:
        sources: files, folders, web addresses or datasets saved by Hugging Face's library.
        workers: threads that prepare documents; the bytes do not depend on it.
    """

    name = STAGE
    version = 1
    unit = "documents"

    def __init__(self, sources: Sequence[str], config: CorpusConfig | None = None, workers: int | None = None) -> None:
        self._uris = tuple(sources)
        self.config = config or CorpusConfig()
        self._workers = workers or available_workers()

    def plan(self) -> Plan:
        """One task; reads each source once for its digest, and downloads those on the web.

        Raises:
            InputError: a source is missing or empty, or changes meanwhile.
        """
        sources = find_sources(self._uris, self.config.format)
        states = [source_state(source.uri) for source in sources]
        inputs = tuple(
            InputEntry(source.name, state.digest, public_uri(source.uri)) for source, state in zip(sources, states, strict=True)
        )
        planned = tuple((source, state.fingerprint) for source, state in zip(sources, states, strict=True))
        return Plan(inputs, (Task(STAGE, planned),), (Field("text", "string"),))

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Reads the sources and writes all shards.

        Raises:
            InputError: a source is damaged or not UTF-8, too much of it is bad, or no text is left.
        """
        character_table(self.config)  # made once, before there are threads
        run = _Run(self.config, self._workers)
        with CorpusWriter(output, self.config) as writer:
            for source, fingerprint in task.payload:
                with output.dead_letters(str(ShardName(f"dead_letters-{_file_name(source.name)}", 0, 1, "jsonl"))) as letters:
                    run.read(source, fingerprint, writer, letters)
                run.report(writer.counters.read)
            writer.end_document()
            run.check(self.config.max_bad_fraction)
            self._refuse_empty(writer)
        counters = writer.counters
        for reason, count in run.bad.items():
            counters.read += count
            counters.drop(reason, count)
        counters.extra.update(run.counts)
        statistics = {
            "splits": writer.statistics(),
            "rows": run.rows,
            "bad_rows": dict(sorted(run.bad.items())),
            "formats": dict(Counter(source.format for source, _ in task.payload)),
        }
        return output.result(task, counters, statistics)

    def _refuse_empty(self, writer: CorpusWriter) -> None:
        splits = writer.statistics()
        names = ", ".join(map(public_uri, self._uris))
        if not splits:
            raise InputError(f"{names}: no document holds any text; name a source with text, or another --field or --format")
        if "train" not in splits:
            documents = writer.counters.kept
            raise InputError(
                f"{names}: none of the {documents:,} documents falls into the train split; give more text, or a lower "
                "--validation-split (0 for none); --document-lines makes several documents of one"
            )

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Those of the only task: documents, lines, words and characters of each split, and how sources were read."""
        return dict(parts[0])


class _Run:
    """What was read so far, of all sources."""

    def __init__(self, config: CorpusConfig, workers: int) -> None:
        self._config, self._workers = config, workers
        self._last_line = time.monotonic()
        self._first_bad: list[str] = []
        self.rows = 0
        self.bad: Counter[str] = Counter()
        self.counts: Counter[str] = Counter()

    def read(self, source: Source, fingerprint: str, writer: CorpusWriter, letters: ShardStream) -> None:
        refuse_change(source.uri, fingerprint)
        for block in self._prepared(source):
            writer.add(block, most_lines(source, self._config))
            self.rows += block.rows
            self.counts.update(block.counts)
            self._note(source, block.letters, letters)
            if time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
                self.report(writer.counters.read)
        writer.end_document()
        refuse_change(source.uri, fingerprint)

    def _prepared(self, source: Source) -> Iterator[Prepared]:
        work = partial(
            _work,
            config=self._config,
            split=splits_sentences(source, self._config),
            passage_lines=passage_lines(source, self._config),
        )
        return map_in_order(work, prefetch(READERS[source.format](source, self._config)), self._workers)

    def _note(self, source: Source, found: Sequence[DeadLetter], stream: ShardStream) -> None:
        for letter in found:
            stream.write(orjson.dumps({"file": source.name, **asdict(letter)}, option=orjson.OPT_APPEND_NEWLINE))
            stream.records += 1
            self.bad[letter.reason] += 1
            if len(self._first_bad) < _FIRST_BAD:
                self._first_bad.append(f"{source.name} line {letter.line:,} ({letter.reason})")

    def report(self, documents: int) -> None:
        """A line for who watches a long run."""
        if time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            log.info("%s: %s documents, %s lines read", STAGE, f"{documents:,}", f"{self.rows:,}")

    def check(self, max_bad_fraction: float) -> None:
        """Raises InputError where too many of the rows read were bad."""
        bad = self.bad.total()
        if bad > max_bad_fraction * self.rows:
            reasons = ", ".join(f"{reason}: {count:,}" for reason, count in self.bad.most_common())
            raise InputError(
                f"{bad:,} of {self.rows:,} lines ({bad / self.rows:.2%}) hold no text that can be read, more than the bound of "
                f"{max_bad_fraction:.2%} ({reasons}); the first are {', '.join(self._first_bad)}; mend them, name the right "
                "--format, or raise --max-bad-fraction to go on without them"
            )


def _work(read: Callable[[], Texts], config: CorpusConfig, split: bool, passage_lines: int) -> Prepared:
    return prepare(read(), config, split=split, passage_lines=passage_lines)


def _file_name(name: str) -> str:
    return name.replace("/", "-")
