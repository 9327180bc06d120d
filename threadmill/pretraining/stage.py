"""The records stage: any corpora and a vocabulary to pretraining records of one objective."""

import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from threadmill.datasets.counters import Counters
from threadmill.datasets.shards import MAX_SHARDS, ShardName
from threadmill.documents.sources import Corpora, open_corpora
from threadmill.engine.ordered import map_in_order
from threadmill.engine.phases import Phase, StageRun
from threadmill.engine.stage import Plan, StreamStage, Task, TaskOutput, TaskResult
from threadmill.errors import InputError
from threadmill.pretraining.config import BertConfig, RecordsConfig
from threadmill.pretraining.merging_stage import compressed
from threadmill.pretraining.objectives import Objective, make_objective
from threadmill.pretraining.phases import records_phases
from threadmill.pretraining.planning import account, buckets_of, passes_over, plan_rows
from threadmill.pretraining.portions import text_bytes
from threadmill.pretraining.scratch import scratch_folder
from threadmill.pretraining.spool import RowSpool
from threadmill.pretraining.store import TokenStore
from threadmill.pretraining.tokens import tokenise
from threadmill.vocab.vocabulary import Vocabulary

log = logging.getLogger(__name__)

_SUFFIXES = {"": "tfrecord", "gzip": "tfrecord.gz"}
_SHARD_BYTES = 128 << 20
_TEXT_BYTES_A_TOKEN = 4
_GZIPPED = 0.3  # how much smaller compressed records are


class RecordsStage(StreamStage):
    """Makes records of an objective from all documents of the corpora, shuffled over all shards of their split.

    Each split's text becomes tokens in a `TokenStore`, the tokens become planned rows, shuffled on disk in a `RowSpool`,
    and each shard is laid out, masked and encoded from its rows. What is drawn depends on the seed, the part of the corpus,
    the document's number in it and the pass; a record's shard and place are a hash of these and its number in the
    document. So the bytes depend neither on the number of workers nor on retries, and memory neither on the size of a file
    or a document nor on ``dupe_factor``. On a remote engine many machines share the work, in `records_phases`.

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

    def phases(self, run: StageRun) -> Sequence[Phase]:
        """Those of `records_phases`, where the engine is remote."""
        return () if run.site.engine == "local" else self.remote_phases(run)

    def remote_phases(self, run: StageRun) -> Sequence[Phase]:
        """What machines that share nothing but the store do, whichever engine runs them."""
        sections = {split: buckets_of(self._size(split), self._shards(split)) for split in self._opened.corpora.splits()}
        return records_phases(run, self._opened.corpora, self._opened.objective, sections)

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
        size = self._size(split) * (_GZIPPED if self.config.compression else 1)
        return int(min(MAX_SHARDS, 2 ** max(0, round(math.log2(max(size, 1) / _SHARD_BYTES)))))

    def _size(self, split: str) -> float:
        """About how many bytes the split's records have, before any compression."""
        tokens = sum(text_bytes(part) for part in self._opened.corpora.parts if part.split == split) / _TEXT_BYTES_A_TOKEN
        return tokens * passes_over(self.config, split) * self._opened.objective.bytes_per_token()

    def stream(self, tasks: Sequence[Task], uri: str, workers: int) -> Iterator[TaskResult]:
        """Does the tasks, one split after the other."""
        for split in dict.fromkeys(task.payload.split for task in tasks):
            with ExitStack() as stack:
                folder = stack.enter_context(scratch_folder(uri))
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
        account(objective, store, store.parts, counters)
        objective.warn(len(store.group_offsets) - 1, split)
        log.info("records: %s split: %s tokens in %s documents", split, f"{store.tokens:,}", f"{store.documents:,}")
        return store

    def _plan_rows(self, split: str, store: TokenStore, folder: Path, workers: int) -> RowSpool:
        objective, passes = self._opened.objective, passes_over(self.config, split)
        size = store.lengths.sum() * passes * objective.bytes_per_token()
        spool = RowSpool(folder / "rows", objective.columns, buckets_of(size, self._shards(split)))
        plan_rows(objective, store, store.parts, passes, spool, workers)
        return spool

    def _write(self, task: Task, uri: str, store: TokenStore, spool: RowSpool, counters: Counters) -> TaskResult:
        """Writes one shard; the first of its split accounts for the split's documents."""
        shard: ShardName = task.payload
        buckets = spool.buckets // shard.count
        output, measured = TaskOutput(uri), Counter[str]()
        try:
            with output.shard(task.name) as stream, compressed(stream, self.config.compression) as sink:
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
