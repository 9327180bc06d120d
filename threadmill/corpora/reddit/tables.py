"""The tables stage: monthly tables of a warehouse, such as BigQuery's public reddit_comments.YYYY_MM, to shards of comments."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from threadmill.corpora.reddit.comment_shards import ROW_GROUP
from threadmill.corpora.reddit.comment_statistics import merged_statistics
from threadmill.corpora.reddit.comments import SCHEMA, DeadLetter, Parsed, empty_comments
from threadmill.corpora.reddit.config import TablesConfig
from threadmill.corpora.reddit.ingest import write_comments
from threadmill.corpora.reddit.opt_outs import leave_out
from threadmill.corpora.reddit.rows import RAW, missing_columns
from threadmill.corpora.reddit.table_sources import bigquery_project, open_source
from threadmill.datasets.counters import Counters
from threadmill.engine.prefetch import prefetch
from threadmill.engine.stage import Plan, StreamStage, Task, TaskOutput, TaskResult
from threadmill.errors import InputError
from threadmill.takedown.ledger import Ledger
from threadmill.warehouse.duckdb import DuckDBWarehouse

if TYPE_CHECKING:
    from threadmill.engine.phases import Phase, StageRun

TABLE_COLUMNS = tuple(name for name in RAW if name != "removal_type")  # which is in the dumps' _meta alone
_MONTHLY = re.compile(r"([0-9]{4})_(0[1-9]|1[0-2])")
_ROWS_OF_ONE_TABLE = 1 << 40  # as for dumps: source_row tells the order over all tables
_FIT_FOR_FILES = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LISTED = 20  # names in a message


@dataclass(frozen=True)
class TablesStage(StreamStage):
    """Reads each table once, one task a table, in the order of their names. The funnel counts rows.

    Its datasets are those of the ingest stage. Rows of a table named YYYY_MM must be of that month.

    Args:
        database: URI of the DuckDB file that holds the tables; or bigquery:PROJECT, and BigQuery does the work, whatever
            the site's warehouse is: with the same result for the same rows.
        memory_limit: what the warehouse may hold before it spills to disk, such as "1GB".
        ledger: URI of a takedown ledger, whose comments are left out; "" for none.
    """

    name = "ingest"
    version = 3
    unit = "rows"

    database: str
    config: TablesConfig = field(default_factory=TablesConfig)
    memory_limit: str = "1GB"
    ledger: str = ""

    def plan(self) -> Plan:
        """One task a table.

        Raises:
            InputError: there is no such database, no table that is wanted, or one lacks a column.
        """
        with open_source(self.database, self.config.dataset, self.memory_limit) as source:
            names = wanted_tables(source.names(), self.config, self.database)
            for name in names:
                self._check_columns(name, source.columns(name))
            inputs = [source.as_input(name) for name in names]
        if self.ledger:
            inputs.append(Ledger.load(self.ledger).as_input())
        return Plan(tuple(inputs), tuple(Task(name, index) for index, name in enumerate(names)), SCHEMA)

    def _check_columns(self, name: str, columns: Sequence[str]) -> None:
        if missing := missing_columns(columns):
            raise InputError(
                f"table {self.config.dataset}.{name} in {self.database} has no column {' or '.join(missing)} "
                f"(it has {', '.join(columns)[:200]}); choose tables of comments or of submissions"
            )

    def phases(self, run: "StageRun") -> "Sequence[Phase]":
        """One, where the tables are BigQuery's."""
        project = bigquery_project(self.database)
        if not project:
            return ()
        from threadmill.corpora.reddit.tables_phase import TablesPhase

        return (TablesPhase(project, self.config, self.ledger, run),)

    def stream(self, tasks: Sequence[Task], uri: str, workers: int) -> Iterator[TaskResult]:
        """Judges the rows of one table after the other in the warehouse, and writes its comments as they come out sorted."""
        with DuckDBWarehouse(self.memory_limit, workers, uri, self.database) as warehouse:
            for task in tasks:
                source = f"{self.config.dataset}.{task.name}"
                yield write_comments(task, TaskOutput(uri), source, self._pieces(warehouse, task), self.config.shard_rows)

    def _pieces(self, warehouse: DuckDBWarehouse, task: Task) -> Iterator[tuple[Parsed, int]]:
        ledger = Ledger.load(self.ledger)
        warehouse.select("table_rows", self.config.dataset, [task.name], TABLE_COLUMNS)
        warehouse.create("judged", "judged_rows", judged_parameters(task))
        for batch in warehouse.stream("unusable_rows"):
            letters = letters_of(batch.to_pylist())
            yield leave_out(Parsed(len(letters), empty_comments(), letters), ledger)
        batches = prefetch(warehouse.stream("comments_from_table"))
        frames = (pl.DataFrame(pl.from_arrow(batch)).cast(empty_comments().schema) for batch in batches)  # type: ignore[arg-type]
        yield from _in_row_groups(leave_out(Parsed(frame.height, frame, []), ledger) for frame in frames)

    def check(self, counters: Counters) -> None:
        """Raises InputError where no row held a comment."""
        if not counters.kept:
            reasons = ", ".join(f"{reason}: {count}" for reason, count in counters.dropped.items()) or "they are empty"
            raise InputError(f"none of the {counters.read} rows of {self.database} is a comment ({reasons}); name other tables")

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """As those of the ingest stage."""
        return merged_statistics(parts, self.config.max_bad_fraction)


def wanted_tables(names: Sequence[str], config: TablesConfig, database: str) -> list[str]:
    """Those of the tables ``names`` that the settings choose.

    Raises:
        InputError: none, or one whose name no file can have.
    """
    pattern = config.pattern or "^" + (config.month.replace("-", "_") or _MONTHLY.pattern) + "$"
    wanted = [name for name in names if re.search(pattern, name)]
    if not wanted:
        listed = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
        raise InputError(
            f"no table of {config.dataset} in {database} is named {pattern} "
            f"(there {'is ' + listed if names else 'are none'}); name another pattern, month or dataset"
        )
    for name in wanted:
        if not _FIT_FOR_FILES.fullmatch(name):
            raise InputError(f"table {name!r} of {config.dataset} has a name that no file can have; choose other tables")
    return wanted


def judged_parameters(task: Task) -> dict[str, Any]:
    """The parameters of judged_rows.sql for the stage's task: rows of a table named YYYY_MM must be of that month."""
    match = _MONTHLY.fullmatch(task.name)
    return {"month": f"{match[1]}-{match[2]}" if match else "", "first_row": task.payload * _ROWS_OF_ONE_TABLE}


def letters_of(rows: Iterable[Mapping[str, Any]]) -> list[DeadLetter]:
    """The dead letters of rows of unusable_rows.sql."""
    return [DeadLetter(row["row_number"], row["reason"], row["detail"][:60], row["excerpt"]) for row in rows]


def _in_row_groups(pieces: Iterable[tuple[Parsed, int]]) -> Iterator[tuple[Parsed, int]]:
    """The same, cut anew after every so many comments of the table: the warehouse's batches must not show in the shards."""
    held = empty_comments()
    for parsed, taken_down in pieces:
        yield replace(parsed, comments=held.clear()), taken_down
        held = pl.concat([held, parsed.comments])
        while held.height >= ROW_GROUP:
            yield Parsed(0, held.head(ROW_GROUP).rechunk(), []), 0
            held = held.slice(ROW_GROUP)
    yield Parsed(0, held.rechunk(), []), 0
