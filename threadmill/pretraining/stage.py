"""The records stage: any corpora and a vocabulary to pretraining records of one objective."""

import errno
import gzip
import logging
import math
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadmill.datasets import storage
from threadmill.datasets.counters import Counters
from threadmill.datasets.shards import MAX_SHARDS, ShardName
from threadmill.documents.sources import CONVERSATIONS_KIND, TEXT_KIND, Corpora, Part, open_corpora
from threadmill.engine.ordered import map_in_order
from threadmill.engine.stage import Plan, ShardStream, StreamStage, Task, TaskOutput, TaskResult
from threadmill.errors import InputError
from threadmill.pretraining.config import BertConfig, RecordsConfig
from threadmill.pretraining.objectives import Objective, make_objective
from threadmill.pretraining.spool import RowSpool
from threadmill.pretraining.store import StoredPart, TokenStore
from threadmill.pretraining.tokens import tokenise
from threadmill.randomness import stream_key
from threadmill.vocab.vocabulary import Vocabulary

log = logging.getLogger(__name__)

_SUFFIXES = {"": "tfrecord", "gzip": "tfrecord.gz"}
_SHARD_BYTES = 128 << 20
_BUCKET_BYTES = 2 * _SHARD_BYTES  # of records; their rows are a tenth of it, and a thread holds those of one bucket
_TEXT_BYTES_A_TOKEN = 4
_UNPACKED = 3  # how much larger compressed text is
_GZIPPED = 0.3  # how much smaller compressed records are
_GZIP_LEVEL = 6


class RecordsStage(StreamStage):
    """Makes records of an objective from all documents of the corpora, shuffled over all shards of their split.

    Each split's text becomes tokens in a `TokenStore`, the tokens become planned rows, shuffled on disk in a `RowSpool`,
    and each shard is laid out, masked and encoded from its rows. What is drawn depends on the seed, the part of the corpus,
    the document's number in it and the pass; a record's shard and place are a hash of these and its number in the
    document. So the bytes depend neither on the number of workers nor on retries, and memory neither on the size of a file
    or a document nor on ``dupe_factor``.

    The funnel counts documents (of conversations: examples). Statistics: ``splits``, and for each split the sums that its
    objective measures.

    Args:
        corpora: text files, folders of them, text corpora or conversations datasets; a single one may be given as it is.
        vocabulary_uri: a vocabulary dataset, or a bare vocab.txt or the folder of one.
    """

    name = "records"
    version = 2
    unit = "documents"
    config: RecordsConfig

    def __init__(self, corpora: str | Sequence[str], vocabulary_uri: str, config: RecordsConfig | None = None) -> None:
        self.corpora = (corpora,) if isinstance(corpora, str) else tuple(corpora)
        self.vocabulary_uri = vocabulary_uri
        self.config = config or BertConfig()

    def plan(self) -> Plan:
        """A task for each output shard of each split."""
        self._opened = _Opened(*self._open())
        opened = self._opened
        tasks = tuple(task for split in opened.corpora.splits() for task in self._tasks(split))
        inputs = (*opened.corpora.inputs, opened.objective.vocabulary.as_input())
        return Plan(inputs, tasks, opened.objective.schema(), opened.corpora.partial)

    def _open(self) -> tuple[Corpora, Objective]:
        objective = make_objective(self.config, Vocabulary.load(self.vocabulary_uri, cased=self.config.cased))
        return open_corpora(self.corpora), objective

    def _tasks(self, split: str) -> Iterator[Task]:
        count = self._shards(split)
        for index in range(count):
            name = ShardName(split, index, count, _SUFFIXES[self.config.compression])
            yield Task(str(name), name)

    def _shards(self, split: str) -> int:
        """How many shards a split gets: a power of two, of about 128 MB each by the size of the parts."""
        if self.config.num_shards and split == "train":
            return self.config.num_shards
        tokens = sum(_text_bytes(part) for part in self._opened.corpora.parts if part.split == split) / _TEXT_BYTES_A_TOKEN
        size = tokens * self._passes(split) * self._opened.objective.bytes_per_token()
        size *= _GZIPPED if self.config.compression else 1
        return int(min(MAX_SHARDS, 2 ** max(0, round(math.log2(max(size, 1) / _SHARD_BYTES)))))

    def _passes(self, split: str) -> int:
        return self.config.dupe_factor if split == "train" else 1

    def stream(self, tasks: Sequence[Task], uri: str, workers: int) -> Iterator[TaskResult]:
        """Does the tasks, one split after the other."""
        for split in dict.fromkeys(task.payload.split for task in tasks):
            with ExitStack() as stack:
                folder = stack.enter_context(_scratch(uri))
                counters = Counters()
                store = self._tokenise(split, folder, counters, workers)
                spool = stack.enter_context(closing(self._plan_rows(split, store, folder, workers)))

                def write(task: Task, store: TokenStore = store, spool: RowSpool = spool, counters: Counters = counters) -> Any:
                    return self._write(task, uri, store, spool, counters)

                yield from map_in_order(write, [task for task in tasks if task.payload.split == split], workers)

    def _tokenise(self, split: str, folder: Path, counters: Counters, workers: int) -> TokenStore:
        parts = [part for part in self._opened.corpora.parts if part.split == split]
        objective = self._opened.objective
        with self._opened.corpora.unchanged(split):
            store = tokenise(
                *(parts, objective.vocabulary, folder / "tokens", counters),
                keep_prefixes=self.config.keep_prefixes,
                workers=workers,
            )
        for part in store.parts:
            for reason, count in objective.dropped(store, part).items():
                counters.kept -= count
                counters.drop(reason, count)
            for name, count in objective.counts(store, part).items():
                counters.extra[name] = counters.extra.get(name, 0) + count
        objective.warn(store, split)
        log.info("records: %s split: %s tokens in %s documents", split, f"{store.tokens:,}", f"{store.documents:,}")
        return store

    def _plan_rows(self, split: str, store: TokenStore, folder: Path, workers: int) -> RowSpool:
        objective, passes, shards = self._opened.objective, self._passes(split), self._shards(split)
        size = store.lengths.sum() * passes * objective.bytes_per_token() / shards
        spool = RowSpool(folder / "rows", objective.columns, shards * max(1, math.ceil(size / _BUCKET_BYTES)))

        def plan(item: tuple[StoredPart, int]) -> None:
            part, passage = item
            key = stream_key(self.config.objective, self.config.random_seed, _stream_name(part), passage)
            for rows in objective.plan(store, part, key):
                spool.add(rows)
                store.has_read(len(rows))

        for _ in map_in_order(plan, ((part, passage) for part in store.parts for passage in range(passes)), workers):
            pass
        return spool

    def _write(self, task: Task, uri: str, store: TokenStore, spool: RowSpool, counters: Counters) -> TaskResult:
        """Writes one shard; the first of its split accounts for the split's documents."""
        shard: ShardName = task.payload
        buckets = spool.buckets // shard.count
        output, measured = TaskOutput(uri), Counter[str]()
        try:
            with output.shard(task.name) as stream, _compressed(stream, self.config.compression) as sink:
                for bucket in range(shard.index * buckets, (shard.index + 1) * buckets):
                    for encoded in self._opened.objective.encode(store, spool.read(bucket)):
                        sink.write(encoded.content.data)
                        stream.records += encoded.records
                        measured.update(encoded.measured)
                        store.has_read(encoded.records)
            funnel = Counters(written=stream.records)
            if shard.index == 0:
                funnel.merge(counters)
            return output.result(task, funnel, {shard.split: dict(measured)})
        except BaseException:
            output.discard()
            raise

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The sums of each split."""
        splits: dict[str, Counter[str]] = {}
        for part in parts:
            for split, measured in part.items():
                splits.setdefault(split, Counter()).update(measured)
        return {"splits": {split: dict(measured) for split, measured in splits.items()}}

    def check(self, counters: Counters) -> None:
        """Raises InputError where there is no record at all."""
        if not counters.written:
            dropped = ", ".join(f"{reason} {count:,}" for reason, count in sorted(counters.dropped.items()))
            raise InputError(
                f"{', '.join(self.corpora)}: no record could be made of its {counters.read:,} documents "
                f"({dropped or 'none read'}); name a corpus with more text, or check the filters that made it"
            )


@dataclass(frozen=True)
class _Opened:
    """What `RecordsStage.plan` found."""

    corpora: Corpora
    objective: Objective


def _stream_name(part: StoredPart) -> str:
    """What a part's random streams are keyed by: conversations of any format give the same records."""
    return part.name.rsplit(".", 1)[0] if part.kind == CONVERSATIONS_KIND else part.name


def _text_bytes(part: Part) -> int:
    return part.size * (_UNPACKED if part.kind == TEXT_KIND and part.stop < 0 else 1)


@contextmanager
def _scratch(uri: str) -> Iterator[Path]:
    """A folder on this machine: below the output, from where a later run removes what a killed one left, or a temporary one."""
    folder = storage.local_path(uri) if storage.is_local(uri) else None
    with tempfile.TemporaryDirectory(prefix=storage.TEMPORARY_PREFIX, dir=folder) as scratch:
        try:
            yield Path(scratch)
        except OSError as error:
            if error.errno == errno.ENOSPC and error.filename is None:  # a write names no file
                error.filename = scratch
            raise


@contextmanager
def _compressed(stream: ShardStream, compression: str) -> Iterator[Any]:
    """The stream itself, or one that compresses into it: without a time or a name, the same bytes each time."""
    if not compression:
        yield stream
        return
    with gzip.GzipFile("", "wb", _GZIP_LEVEL, stream, mtime=0) as sink:
        yield sink
