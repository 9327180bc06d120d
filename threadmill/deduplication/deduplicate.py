"""The deduplicate stage: a conversations dataset less the examples of which an earlier one, of any month, is a duplicate."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import polars as pl

from threadmill.conversations.rewriting import write_selected
from threadmill.conversations.stage import refuse_no_examples
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset, split_of
from threadmill.datasets.manifest import Field, FileEntry
from threadmill.deduplication.config import DeduplicationConfig
from threadmill.deduplication.signatures import difference, shard_and_row
from threadmill.engine.local import run_tasks
from threadmill.engine.stage import MapStage, Plan, StreamStage, Task, TaskOutput, TaskResult
from threadmill.errors import InputError
from threadmill.warehouse.duckdb import DuckDBWarehouse

if TYPE_CHECKING:
    from threadmill.engine.phases import Phase, StageRun

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DeduplicateStage(StreamStage):
    """Drops from each shard the examples that share a key with an earlier one; the shards keep names, order and schema.

    Earlier is by created_utc, then by example_id, and an example counts whether it was itself dropped or not: so a month's
    result does not depend on the order of work, and months one by one equal all at once, as long as the signatures of
    the months before are among ``earlier``. Later months there do no harm. The funnel counts examples.

    Args:
        conversations: URI of a conversations dataset.
        signatures: URI of its signatures.
        earlier: URIs of other months' signatures; the month's own among them is passed over.
        memory_limit: what the warehouse may hold before it spills to disk, such as "1GB".
    """

    name = "deduplicate"
    version = 1
    unit = "examples"

    conversations: str
    signatures: str
    earlier: tuple[str, ...] = ()
    config: DeduplicationConfig = field(default_factory=DeduplicationConfig)
    memory_limit: str = "1GB"

    def plan(self) -> Plan:
        """One task a shard.

        Raises:
            InputError: a dataset is missing; the signatures are of other conversations, or were made with other settings.
        """
        conversations, signatures = Dataset.open(self.conversations, "conversations"), self._signatures()
        own = signatures[0]
        if own.manifest.inputs[0].digest != conversations.manifest.digest:
            raise InputError(f"{own.uri} are the signatures of other conversations than {self.conversations}; make them again")
        if any(own.manifest.config.get(name) != value for name, value in vars(self.config).items()):
            raise InputError(f"{own.uri} were made with other settings than these; make them again, or name the same settings")
        for other in signatures[1:]:
            if found := difference(own, other):
                raise InputError(
                    f"{other.uri} cannot be compared with {own.uri}: {found}; make them again with the same settings"
                )
        tasks = tuple(Task(shard.name) for shard in conversations.manifest.shards)
        inputs = tuple(dataset.as_input() for dataset in (conversations, *signatures))
        partial = any(dataset.manifest.partial for dataset in (conversations, *signatures))
        return Plan(inputs, tasks, conversations.manifest.schema, partial)

    def _signatures(self) -> list[Dataset]:
        """The month's own, then the others, each once."""
        datasets = [Dataset.open(uri, "signatures") for uri in (self.signatures, *self.earlier)]
        unique: dict[str, Dataset] = {}
        for dataset in datasets:
            unique.setdefault(dataset.manifest.digest, dataset)
        return list(unique.values())

    def phases(self, run: "StageRun") -> "Sequence[Phase]":
        """The warehouse's jobs, then a task a shard, where the warehouse is BigQuery."""
        if run.site.warehouse != "bigquery":
            return ()
        from threadmill.deduplication.duplicate_tables import deduplicate_phases

        return deduplicate_phases(Dataset.open(self.conversations), self._signatures(), run)

    def stream(self, tasks: Sequence[Task], uri: str, workers: int) -> Iterator[TaskResult]:
        """Asks the warehouse which examples go, then has the workers write each shard without its own."""
        conversations = Dataset.open(self.conversations)
        found = _by_shard(duplicate_places(self._signatures(), self.memory_limit, workers, uri))
        payloads = {
            shard.name: ShardOfExamples(conversations.path(shard), shard, found.get(number, _NONE))
            for number, shard in enumerate(conversations.manifest.shards)
        }
        wanted = [Task(task.name, payloads[task.name]) for task in tasks]
        yield from run_tasks(ShardFilter(conversations.manifest.schema), wanted, uri, workers)

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Examples a split."""
        examples: Counter[str] = Counter()
        for part in parts:
            examples.update(part["examples"])
        return {"examples": dict(examples)}

    def check(self, counters: Counters) -> None:
        """Raises InputError where no example is left."""
        refuse_no_examples(counters, self.conversations, self.unit)


def duplicate_places(signatures: Sequence[Dataset], memory_limit: str, threads: int, spill_folder: str) -> pl.DataFrame:
    """Which examples of the first dataset go: their ``place``, in order, and ``is_exact``."""
    files = [[dataset.path(shard) for shard in dataset.manifest.shards] for dataset in signatures]
    with DuckDBWarehouse(memory_limit, threads, spill_folder) as warehouse:
        warehouse.load("signatures", *files)
        warehouse.define("signature_keys", "signature_keys")
        warehouse.create("shared_keys", "shared_keys")
        warehouse.create("examples_of_shared_keys", "examples_of_shared_keys")
        return pl.DataFrame(warehouse.query("duplicate_examples"))


@dataclass(frozen=True)
class Duplicates:
    """The rows of a shard that go: those of exact and those of near duplicates."""

    exact: Rows
    near: Rows

    def find(self) -> "Duplicates":
        """Themselves."""
        return self


@dataclass(frozen=True)
class DuplicatesTable:
    """A table of BigQuery that tells which rows go.

    Attributes:
        table: PROJECT.DATASET.TABLE, with the rows of duplicate_examples.sql and the number of their shard.
        shard: the number.
    """

    table: str
    shard: int

    def find(self) -> Duplicates:
        """Reads those of one shard."""
        from threadmill.warehouse.bigquery.rows import read_rows

        batches = list(read_rows(self.table, ["place", "is_exact"], f"shard = {self.shard}"))
        if not batches:
            return _NONE
        found = pl.concat([pl.DataFrame(batch).select("place", "is_exact") for batch in batches]).sort("place")
        return _by_shard(found)[self.shard]


_NONE = Duplicates(np.zeros(0, np.int64), np.zeros(0, np.int64))


def _by_shard(duplicates: pl.DataFrame) -> dict[int, Duplicates]:
    """The duplicates in each shard that has any."""
    shards, rows = shard_and_row(duplicates["place"].to_numpy())
    exact = duplicates["is_exact"].to_numpy()
    cuts = np.flatnonzero(np.diff(shards, prepend=-1, append=-1))
    slices = (slice(start, end) for start, end in pairwise(cuts))
    return {int(shards[part.start]): Duplicates(rows[part][exact[part]], rows[part][~exact[part]]) for part in slices}


@dataclass(frozen=True)
class ShardOfExamples:
    """A shard of examples, and what tells the rows that go."""

    uri: str
    entry: FileEntry
    duplicates: Duplicates | DuplicatesTable


class ShardFilter(MapStage):
    """The part of the stage that workers do: its tasks are planned once the warehouse has told which rows go."""

    name = DeduplicateStage.name
    version = DeduplicateStage.version
    unit = DeduplicateStage.unit
    config = None

    def __init__(self, schema: Sequence[Field]) -> None:
        self._features = [entry.name for entry in schema]

    def plan(self) -> Plan:
        """None: see the class."""
        return Plan((), (), ())

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Writes one shard without the rows that go."""
        shard: ShardOfExamples = task.payload
        gone = shard.duplicates.find()
        kept = np.ones(shard.entry.records, np.bool_)
        kept[gone.exact] = kept[gone.near] = False
        written = write_selected(output, task.name, shard.uri, kept, self._features)
        counters = Counters(shard.entry.records, written, written)
        counters.drop("exact_duplicate", len(gone.exact))
        counters.drop("near_duplicate", len(gone.near))
        return output.result(task, counters, {"examples": {split_of(shard.entry): counters.written}})
