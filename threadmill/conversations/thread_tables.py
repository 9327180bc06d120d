"""Threads by BigQuery: the jobs that group the comments, and the worker that reads one bucket and writes one shard."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pyarrow as pa

from threadmill.conversations.config import SPLITS, ThreadsConfig
from threadmill.conversations.placement import place
from threadmill.conversations.thread_shards import write_shard
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Field
from threadmill.datasets.shards import ShardName
from threadmill.engine.phases import Phase, StageRun, TasksPhase
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.errors import RemoteWorkError
from threadmill.takedown.ledger import Ledger
from threadmill.takedown.ledger_table import ledger_job
from threadmill.warehouse.bigquery.client import open_client
from threadmill.warehouse.bigquery.comments import comments_view, load_comments
from threadmill.warehouse.bigquery.faults import CALL_SECONDS, RETRY, explained
from threadmill.warehouse.bigquery.jobs import Destination, Job, QueryJob, statement_job
from threadmill.warehouse.bigquery.phase import SqlPhase, Work
from threadmill.warehouse.bigquery.rows import read_rows
from threadmill.warehouse.bigquery.scratch import delete_scratch, scratch_dataset
from threadmill.warehouse.statements import unordered

if TYPE_CHECKING:
    from threadmill.conversations.threads import ThreadsStage

_THREADS = "threads"
_SHARD = "shard"  # the ordinal of a row's shard over all splits
_MOST_PARTITIONS = 4_000  # that one job may write, as documented
_BATCH_ROWS = 1 << 16
_ARROW = {"string": pa.string(), "int64": pa.int64(), "bool": pa.bool_(), "timestamp[us, UTC]": pa.timestamp("us", "UTC")}


def thread_phases(stage: "ThreadsStage", run: StageRun) -> Sequence[Phase]:
    """The jobs that make the table of threads, and the tasks that read it, a bucket each."""
    datasets = [Dataset.open(uri) for uri in stage.comments]
    tables = _ThreadTables(stage, run, datasets, stage.shard_counts(datasets))
    folder = f"{open_client().project}.{scratch_dataset(run)}"
    reasons = {"taken_down": "counted_taken_down"} if stage.ledger else {}
    dropped = {reason: f"{folder}.{table}" for reason, table in {**reasons, "duplicate": "counted_duplicates"}.items()}
    worker = BucketStage(stage.config, run.plan, tables.counts, f"{folder}.{_THREADS}", dropped)
    return SqlPhase(run, [*tables.works(), lambda: tables.check(worker)]), TasksPhase(worker, run.plan.tasks, run)


@dataclass(frozen=True)
class _ThreadTables:
    """The jobs that make the table of threads."""

    stage: "ThreadsStage"
    run: StageRun
    datasets: Sequence[Dataset]
    counts: Mapping[str, int]

    def works(self) -> list[Work]:
        comments = "all_comments" if self.stage.ledger else "comments"
        return [
            lambda: load_comments(self.datasets, self.run),
            comments_view(self.datasets, comments, self.run),
            *(self._less_taken_down() if self.stage.ledger else ()),
            statement_job("duplicate_comments", "duplicates", {"prefer_original": self.stage.config.prefer_original}),
            statement_job("count_duplicates", "counted_duplicates"),
            self._threads(),
        ]

    def _less_taken_down(self) -> list[Work]:
        # `comments` is a table here: a view of a view's rest would be computed by each of the three jobs that read it.
        return [
            self._load_ledger,
            statement_job("taken_down", "taken_down"),
            statement_job("count_taken_down", "counted_taken_down"),
            statement_job("remaining_comments", "comments", cluster_by=("thread_id",)),
        ]

    def _load_ledger(self) -> Iterator[Job]:
        yield ledger_job(Ledger.load(self.stage.ledger), self.run)

    def _threads(self) -> QueryJob:
        firsts = [0, *accumulate(self.counts[split] for split in SPLITS)]
        # Numbers of ours, no one else's text. No ORDER BY: who reads a bucket sorts it.
        sql = f"""SELECT
  CASE split_index WHEN 0 THEN bucket WHEN 1 THEN bucket + {firsts[1]} ELSE bucket + {firsts[2]} END AS {_SHARD},
  placed_comments.* EXCEPT (split_index, bucket)
FROM (
{unordered("threads")}
) AS placed_comments"""
        step = max(1, -(-firsts[3] // _MOST_PARTITIONS))
        end = -(-firsts[3] // step) * step
        partitions = f"RANGE_BUCKET({_SHARD}, GENERATE_ARRAY(0, {end}, {step}))"
        parameters = self.stage.parameters(self.counts)
        return QueryJob(_THREADS, sql, parameters, Destination(_THREADS, partitions, (_SHARD, "thread_id")))

    def check(self, worker: "BucketStage") -> Sequence[Job]:
        """Every comment of the datasets is in a bucket or counted as dropped; no job.

        Raises:
            RemoteWorkError: the table of comments lacks some, because somebody else has changed it. The next run loads it again.
        """
        client = open_client()
        with explained(f"BigQuery, table {worker.table}"):
            rows = client.get_table(worker.table, retry=RETRY, timeout=CALL_SECONDS).num_rows or 0
        found, wanted = rows + sum(worker.dropped().values()), sum(dataset.manifest.records for dataset in self.datasets)
        if found != wanted:
            delete_scratch(self.run)
            raise RemoteWorkError(
                f"BigQuery has {found:,} comments of {', '.join(self.stage.comments)}, whose manifests tell {wanted:,}: the "
                "table of comments was changed meanwhile; run it again, which loads them again"
            )
        return ()


@dataclass(frozen=True)
class BucketStage(MapStage):
    """Reads one bucket of the table of threads, sorts it, and writes its shard, as the threads stage does on one machine.

    Args:
        of: the plan of the threads stage.
        counts: shards of each split.
        table: PROJECT.DATASET.TABLE of the threads.
        dropped_tables: the tables that tell, in ``dropped``, how many comments were dropped before, by the reason.
    """

    name = "threads"
    version = 1
    unit = "comments"

    config: ThreadsConfig
    of: Plan
    counts: Mapping[str, int]
    table: str
    dropped_tables: Mapping[str, str]

    def plan(self) -> Plan:
        """The threads stage's."""
        return self.of

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Writes the shard that the task is named after. It holds one bucket at a time."""
        name = ShardName.parse(task.name)
        if name is None:
            raise ValueError(f"{task.name} is no shard")
        ordinal = sum(self.counts[split] for split in SPLITS[: SPLITS.index(name.split)]) + name.index
        rows = list(read_rows(self.table, (), f"{_SHARD} = {ordinal}"))
        schema = _arrow_schema(self.of.schema)
        return write_shard(_sorted(rows, schema, self.config), schema, task.name, output, self.dropped() if ordinal == 0 else {})

    def dropped(self) -> dict[str, int]:
        """Comments that were dropped before, by the reason."""
        return {
            reason: sum(count for batch in read_rows(table) for count in batch["dropped"].to_pylist())
            for reason, table in self.dropped_tables.items()
        }


def _arrow_schema(fields: Sequence[Field]) -> pa.Schema:
    return pa.schema([(field.name, _ARROW[field.type]) for field in fields])


def _sorted(batches: list[pa.RecordBatch], schema: pa.Schema, config: ThreadsConfig) -> Iterator[pa.RecordBatch]:
    """The rows of a bucket in the order of sql/threads.sql; empties ``batches``, so that they are not held twice."""
    if not batches:
        return
    frame = pl.concat([pl.DataFrame(batch.select(schema.names)) for batch in batches])
    batches.clear()
    _, position = place(frame["thread_id"], config)
    keys = [pl.Series("position", position), "thread_id", "created_utc", "id", "parent_kind"]
    order = frame.select(pl.arg_sort_by(keys)).to_series().to_numpy()
    for rows in np.split(order, range(_BATCH_ROWS, len(order), _BATCH_ROWS)):
        table = frame[rows].to_arrow(compat_level=pl.CompatLevel.oldest()).cast(schema).combine_chunks()
        yield from table.to_batches()
