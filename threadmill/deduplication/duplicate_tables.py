"""Deduplication by BigQuery: the jobs that find the examples that go, and workers that write each shard without its own."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from threadmill.cloud.work import Waiting
from threadmill.datasets.dataset import Dataset
from threadmill.deduplication.deduplicate import DuplicatesTable, ShardFilter, ShardOfExamples
from threadmill.deduplication.signatures import PLACES_A_SHARD
from threadmill.engine.phases import Phase, StageRun, TasksPhase
from threadmill.engine.stage import Task
from threadmill.warehouse.bigquery.client import open_client
from threadmill.warehouse.bigquery.concurrency import side_by_side
from threadmill.warehouse.bigquery.jobs import Destination, Job, LoadJob, QueryJob, job_steps
from threadmill.warehouse.bigquery.phase import SqlPhase
from threadmill.warehouse.bigquery.scratch import make_scratch, scratch_dataset
from threadmill.warehouse.bigquery.views import over, rows_of

_COLUMNS = (("example_id", "string"), ("created_utc", "int64"), ("place", "int64"), ("exact_key", "int64"))
_BANDS = ("band_keys", "list<int64>")
_DUPLICATES = "duplicates"
_MOST_PARTITIONS = 3_999  # that one job may write: 4,000


def deduplicate_phases(conversations: Dataset, signatures: Sequence[Dataset], run: StageRun) -> Sequence[Phase]:
    """The loads of all signatures, the jobs that compare them, and a task a shard.

    Args:
        signatures: of the month first, then of the others.
    """
    shards = conversations.manifest.shards
    table = f"{open_client().project}.{scratch_dataset(run)}.{_DUPLICATES}"
    payloads = [
        ShardOfExamples(conversations.path(shard), shard, DuplicatesTable(table, number)) for number, shard in enumerate(shards)
    ]
    tasks = [Task(shard.name, payload) for shard, payload in zip(shards, payloads, strict=True)]
    parts = [dataset for dataset in signatures if dataset.manifest.shards]
    return (
        _LoadPhase(parts, run),
        SqlPhase(run, [*_jobs(len(parts), len(shards))]),
        TasksPhase(ShardFilter(conversations.manifest.schema), tasks, run),
    )


@dataclass(frozen=True)
class _LoadPhase(Phase):
    """Each dataset of signatures in a table of its own, all at the same time; the next phase deletes them."""

    parts: Sequence[Dataset]
    run: StageRun

    def steps(self) -> Iterator[Waiting]:
        """Loads what is not loaded."""
        make_scratch(self.run)
        yield from side_by_side(job_steps(self._load(part), self.run) for part in range(len(self.parts)))

    def _load(self, part: int) -> LoadJob:
        dataset = self.parts[part]
        return load_signatures(part, [dataset.path(shard) for shard in dataset.manifest.shards])


def load_signatures(part: int, uris: Sequence[str]) -> LoadJob:
    """The job that loads files of signatures as those of a part."""
    return LoadJob(f"signatures_{part}", uris, f"signatures_{part}", (*_COLUMNS, _BANDS))


def signature_views(parts: int) -> dict[str, str]:
    """What the statements read, for `over`: the signatures that were loaded, each with its part, and their keys."""
    reads = (f"SELECT *, {part} AS part FROM signatures_{part}" for part in range(parts))
    return {"signatures": "\nUNION ALL\n".join(reads), "signature_keys": rows_of("signature_keys")}


def _jobs(parts: int, shards: int) -> Iterator[Job]:
    """As `duplicate_places` does on one machine."""
    views = signature_views(parts)
    for name in ("shared_keys", "examples_of_shared_keys"):
        yield QueryJob(name, over(name, views), destination=Destination(name))
    width = -(-shards // _MOST_PARTITIONS)
    partition = f"RANGE_BUCKET(shard, GENERATE_ARRAY(0, {-(-shards // width) * width}, {width}))"
    sql = f"SELECT *, DIV(place, {PLACES_A_SHARD}) AS shard FROM (\n{rows_of('duplicate_examples')}\n)"
    yield QueryJob(_DUPLICATES, sql, destination=Destination(_DUPLICATES, partition))
