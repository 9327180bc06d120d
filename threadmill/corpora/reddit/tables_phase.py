"""The tables stage over BigQuery: its jobs judge and shard the rows, and workers write a shard each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from threadmill.cloud.work import Waiting
from threadmill.corpora.reddit.comment_shards import ROW_GROUP, arrow_table, comments_writer
from threadmill.corpora.reddit.comment_statistics import CommentStatistics
from threadmill.corpora.reddit.comments import DeadLetter, Parsed, empty_comments
from threadmill.corpora.reddit.config import TablesConfig
from threadmill.corpora.reddit.ingest import dead_letters_name, write_letters
from threadmill.corpora.reddit.opt_outs import without_quotes
from threadmill.corpora.reddit.tables import letters_of
from threadmill.datasets import storage
from threadmill.datasets.counters import Counters
from threadmill.datasets.lock import writer_lock
from threadmill.datasets.shards import ShardName
from threadmill.engine.phases import Phase, StageRun, TasksPhase
from threadmill.engine.receipts import collect_receipts, write_receipt
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.errors import InputError, RemoteWorkError
from threadmill.takedown.ledger import Ledger


@dataclass(frozen=True)
class CommentsShard:
    """A shard to be written.

    Attributes:
        table: PROJECT.DATASET.TABLE of the comments, with their shards.
        split: of the shard's name: the monthly table.
        shard, count: its number, and that of all the table's shards.
        first, rows: position of its first comment, and how many it has.
    """

    table: str
    split: str
    shard: int
    count: int
    first: int
    rows: int


@dataclass(frozen=True)
class DeadLettersFile:
    """The dead letters of a monthly table, to be written.

    Attributes:
        table: PROJECT.DATASET.TABLE of the unusable rows, with their shards.
        split: the monthly table.
        source: what the letters call it.
        rows, shards: how many there are.
        quoted: False where the letters must not quote the rows.
    """

    table: str
    split: str
    source: str
    rows: int
    shards: int
    quoted: bool


class TableShards(MapStage):
    """What workers do: one shard of comments, or one file of dead letters."""

    name = "ingest"
    version = 3
    unit = "rows"
    config = None

    def plan(self) -> Plan:
        """None: its tasks are known once the warehouse has counted the rows."""
        return Plan((), (), ())

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Reads the rows of one shard, and writes it."""
        part = task.payload
        if isinstance(part, CommentsShard):
            return _write_shard(task, part, output)
        return _write_letters(task, part, output)


@dataclass(frozen=True)
class TablesPhase(Phase):
    """All of the tables stage: jobs, then a task a shard, then what the stage's own tasks, one a table, have come to.

    Args:
        project: of the tables.
        ledger: URI of the takedown ledger; "" for none.
    """

    project: str
    config: TablesConfig
    ledger: str
    run: StageRun

    def steps(self) -> Iterator[Waiting]:
        """Does what is not done."""
        from threadmill.takedown.ledger_table import ledger_job
        from threadmill.warehouse.bigquery.concurrency import side_by_side
        from threadmill.warehouse.bigquery.jobs import job_steps
        from threadmill.warehouse.bigquery.scratch import make_scratch

        ledger = Ledger.load(self.ledger)
        make_scratch(self.run)
        if self._loads_ledger(ledger):
            yield from job_steps(ledger_job(ledger, self.run), self.run)
        yield from side_by_side(self._jobs(task, ledger) for task in self.run.plan.tasks)
        self._refuse_change()
        parts = {task.name: self._parts(task, bool(len(ledger))) for task in self.run.plan.tasks}
        tasks = [part for of_table in parts.values() for part in of_table]
        if tasks:
            yield from TasksPhase(TableShards(), tasks, self.run).steps()
        self._note_tables(parts)

    def clean_up(self) -> None:
        """Deletes the scratch dataset."""
        from threadmill.warehouse.bigquery.scratch import delete_scratch

        delete_scratch(self.run)

    def _jobs(self, task: Task, ledger: Ledger) -> Iterator[Waiting]:
        from threadmill.corpora.reddit.tables_sql import table_jobs
        from threadmill.warehouse.bigquery.jobs import job_steps

        loaded, config = self._loads_ledger(ledger), self.config
        for job in table_jobs(self.project, config.dataset, task, ledger, config.shard_rows, loaded):
            yield from job_steps(job, self.run)

    def _loads_ledger(self, ledger: Ledger) -> bool:
        """BigQuery loads files of Cloud Storage alone."""
        return bool(len(ledger)) and not storage.is_local(self.run.uri)

    def _refuse_change(self) -> None:
        """Raises InputError where a table was written again since the stage was planned."""
        from threadmill.warehouse.bigquery.catalog import table_facts

        for task, planned in zip(self.run.plan.tasks, self.run.plan.inputs, strict=False):
            if table_facts(self.project, self.config.dataset, task.name).digest != planned.digest:
                raise InputError(
                    f"BigQuery table {self.project}.{planned.name} changed while it was read; run it again once it stays as it is"
                )

    def _parts(self, task: Task, has_ledger: bool) -> list[Task]:
        """The tasks of one table."""
        from threadmill.corpora.reddit.tables_sql import LETTERS_A_SHARD, ShardedTable

        tables = ShardedTable(task.payload)
        rows, letters, size = self._count(tables.comments), self._count(tables.unusable), self.config.shard_rows
        count = -(-rows // size)
        parts = [
            Task(
                f"{task.name}.{shard:05d}-of-{count:05d}",
                CommentsShard(self._path(tables.comments), task.name, shard, count, shard * size, min(size, rows - shard * size)),
            )
            for shard in range(count)
        ]
        if letters:
            table, source = self._path(tables.unusable), f"{self.config.dataset}.{task.name}"
            shards = -(-letters // LETTERS_A_SHARD)
            parts.append(
                Task(f"{task.name}.unusable", DeadLettersFile(table, task.name, source, letters, shards, not has_ledger))
            )
        return parts

    def _note_tables(self, parts: Mapping[str, Sequence[Task]]) -> None:
        """Writes the receipts of the stage's tasks from those of their parts."""
        with writer_lock(self.run.uri):
            done = collect_receipts(self.run.uri, self.run.key)
            for task in self.run.plan.tasks:
                missing = [part.name for part in parts[task.name] if part.name not in done]
                if missing:
                    raise RemoteWorkError(f"the result of {missing[0]} is gone from {self.run.uri}; run it again")
                results = [done[part.name] for part in parts[task.name]]
                write_receipt(self.run.uri, self.run.key, _table_result(task, results, self._taken_down(task)))

    def _taken_down(self, task: Task) -> int:
        """How many comments of a table the ledger named."""
        from threadmill.corpora.reddit.tables_sql import ShardedTable

        tables = ShardedTable(task.payload)
        return self._count(tables.judged) - self._count(tables.comments) - self._count(tables.unusable)

    def _count(self, table: str) -> int:
        from threadmill.warehouse.bigquery.catalog import row_count

        return row_count(self._path(table))

    def _path(self, table: str) -> str:
        from threadmill.warehouse.bigquery.client import open_client
        from threadmill.warehouse.bigquery.scratch import scratch_dataset

        return f"{open_client().project}.{scratch_dataset(self.run)}.{table}"


def _table_result(task: Task, parts: Sequence[TaskResult], taken_down: int) -> TaskResult:
    """What the parts of a table have come to, as if one task had read all of it."""
    counters, statistics = Counters(taken_down), CommentStatistics()
    counters.drop("taken_down", taken_down)
    statistics.lines = taken_down
    for part in parts:
        counters.merge(part.counters)
        statistics.merge(part.statistics)
    counters.check(task.name)
    return TaskResult(
        task.name,
        tuple(shard for part in parts for shard in part.shards),
        counters,
        tuple(letters for part in parts for letters in part.dead_letters),
        statistics.to_json(),
    )


def _write_shard(task: Task, part: CommentsShard, output: TaskOutput) -> TaskResult:
    columns = empty_comments().schema
    found = _read(part.table, list(columns), part.shard, part.rows)
    frame = found.cast(columns).sort("source_row").rechunk()  # type: ignore[arg-type]
    with (
        output.shard(str(ShardName(part.split, part.shard, part.count, "parquet"))) as stream,
        comments_writer(stream) as writer,
    ):
        for rows in _row_groups(frame, part.first):
            writer.write_table(arrow_table(rows))
            stream.records += rows.height
    statistics = CommentStatistics()
    statistics.add(part.split, Parsed(frame.height, frame, []))
    return output.result(task, Counters(frame.height, frame.height, frame.height), statistics.to_json())


def _row_groups(frame: pl.DataFrame, first: int) -> Iterator[pl.DataFrame]:
    """Cut where the table's comments, all in one stream, would be cut."""
    start = 0
    while start < frame.height:
        rows = frame.slice(start, ROW_GROUP - (first + start) % ROW_GROUP)
        yield rows
        start += rows.height


def _write_letters(task: Task, part: DeadLettersFile, output: TaskOutput) -> TaskResult:
    counters, statistics = Counters(), CommentStatistics()
    with output.dead_letters(dead_letters_name(part.split)) as stream:
        for letters in _letters(part):
            counters.read += len(letters)
            for letter in letters:
                counters.drop(letter.reason)
            statistics.add(part.source, Parsed(len(letters), empty_comments(), letters))
            write_letters(stream, part.source, letters if part.quoted else without_quotes(letters))
    if counters.read != part.rows:
        raise _lost(part.table, counters.read, part.rows)
    return output.result(task, counters, statistics.to_json())


def _letters(part: DeadLettersFile) -> Iterator[list[DeadLetter]]:
    for shard in range(part.shards):
        frame = _read(part.table, ["row_number", "reason", "detail", "excerpt"], shard)
        yield letters_of(frame.sort("row_number").to_dicts())


def _read(table: str, columns: Sequence[str], shard: int, rows: int | None = None) -> pl.DataFrame:
    """The rows of one shard, in no order.

    Raises:
        RemoteWorkError: there are more or fewer than ``rows``.
    """
    from threadmill.warehouse.bigquery.rows import read_rows

    frames: list[Any] = [pl.from_arrow(batch) for batch in read_rows(table, columns, f"shard = {shard}")]
    found = (
        pl.concat(frame.select(columns) for frame in frames) if frames else pl.DataFrame(schema=dict.fromkeys(columns, pl.Null))
    )
    if rows is not None and found.height != rows:
        raise _lost(table, found.height, rows)
    return found


def _lost(table: str, found: int, wanted: int) -> RemoteWorkError:
    return RemoteWorkError(f"BigQuery gave {found:,} rows of table {table} where {wanted:,} are; run it again")
