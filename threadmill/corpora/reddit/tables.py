"""The tables stage: monthly tables of a warehouse, such as BigQuery's public reddit_comments.YYYY_MM, to shards of comments."""

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from threadmill.corpora.reddit.comments import SCHEMA, DeadLetter, Parsed, empty_comments
from threadmill.corpora.reddit.config import TablesConfig
from threadmill.corpora.reddit.ingest import merged_statistics, write_comments
from threadmill.corpora.reddit.opt_outs import leave_out
from threadmill.corpora.reddit.rows import RAW, missing_columns
from threadmill.datasets import storage
from threadmill.datasets.counters import Counters
from threadmill.datasets.digest import file_digest
from threadmill.datasets.manifest import InputEntry
from threadmill.engine.prefetch import prefetch
from threadmill.engine.stage import Plan, StreamStage, Task, TaskOutput, TaskResult
from threadmill.errors import InputError
from threadmill.takedown.ledger import Ledger
from threadmill.warehouse.base import Warehouse
from threadmill.warehouse.duckdb import DuckDBWarehouse

_MONTHLY = re.compile(r"([0-9]{4})_(0[1-9]|1[0-2])")
_COLUMNS = tuple(name for name in RAW if name != "removal_type")  # which is in the dumps' _meta alone
_ROWS_OF_ONE_TABLE = 1 << 40  # as for dumps: source_row tells the order over all tables
_FIT_FOR_FILES = re.compile(r"[A-Za-z0-9_-]{1,100}")
_LISTED = 20  # names in a message


@dataclass(frozen=True)
class TablesStage(StreamStage):
    """Reads each table once, one task a table, in the order of their names. The funnel counts rows.

    Its datasets are those of the ingest stage. Rows of a table named YYYY_MM must be of that month.

    Args:
        database: URI of the DuckDB file that holds the tables.
        memory_limit: what the warehouse may hold before it spills to disk, such as "1GB".
        ledger: URI of a takedown ledger, whose comments are left out; "" for none.
    """

    name = "ingest"
    version = 2
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
        if storage.is_directory(self.database) or storage.size(self.database) < 0:
            raise InputError(f"{self.database} is no file; name a DuckDB database, such as reddit.duckdb")
        with DuckDBWarehouse(self.memory_limit, 1, tempfile.gettempdir(), self.database) as warehouse:
            names = self._wanted(warehouse)
            for name in names:
                self._check_columns(name, warehouse.columns(self.config.dataset, name))
        digest = file_digest(self.database)
        inputs = [InputEntry(f"{self.config.dataset}.{name}", digest, self.database) for name in names]
        if self.ledger:
            inputs.append(Ledger.load(self.ledger).as_input())
        return Plan(tuple(inputs), tuple(Task(name, index) for index, name in enumerate(names)), SCHEMA)

    def _wanted(self, warehouse: Warehouse) -> list[str]:
        names = warehouse.tables(self.config.dataset)
        pattern = self.config.pattern or "^" + (self.config.month.replace("-", "_") or _MONTHLY.pattern) + "$"
        wanted = [name for name in names if re.search(pattern, name)]
        if not wanted:
            listed = ", ".join(names[:_LISTED]) + (", ..." if len(names) > _LISTED else "")
            raise InputError(
                f"no table of {self.config.dataset} in {self.database} is named {pattern} "
                f"(there {'is ' + listed if names else 'are none'}); name another pattern, month or dataset"
            )
        for name in wanted:
            if not _FIT_FOR_FILES.fullmatch(name):
                raise InputError(f"table {name!r} of {self.config.dataset} has a name that no file can have; choose other tables")
        return wanted

    def _check_columns(self, name: str, columns: Sequence[str]) -> None:
        if missing := missing_columns(columns):
            raise InputError(
                f"table {self.config.dataset}.{name} in {self.database} has no column {' or '.join(missing)} "
                f"(it has {', '.join(columns)[:200]}); choose tables of comments or of submissions"
            )

    def stream(self, tasks: Sequence[Task], uri: str, workers: int) -> Iterator[TaskResult]:
        """Judges the rows of one table after the other in the warehouse, and writes its comments as they come out sorted."""
        with DuckDBWarehouse(self.memory_limit, workers, storage.local_path(uri), self.database) as warehouse:
            for task in tasks:
                source = f"{self.config.dataset}.{task.name}"
                yield write_comments(task, TaskOutput(uri), source, self._pieces(warehouse, task), self.config.shard_rows)

    def _pieces(self, warehouse: Warehouse, task: Task) -> Iterator[tuple[Parsed, int]]:
        ledger = Ledger.load(self.ledger)
        match = _MONTHLY.fullmatch(task.name)
        month = f"{match[1]}-{match[2]}" if match else ""
        warehouse.select("table_rows", self.config.dataset, [task.name], _COLUMNS)
        warehouse.create("judged", "judged_rows", {"month": month, "first_row": task.payload * _ROWS_OF_ONE_TABLE})
        for batch in warehouse.stream("unusable_rows"):
            rows = batch.to_pylist()
            letters = [DeadLetter(row["row_number"], row["reason"], row["detail"][:60], row["excerpt"]) for row in rows]
            yield leave_out(Parsed(len(letters), empty_comments(), letters), ledger)
        for batch in prefetch(warehouse.stream("comments_from_table")):
            comments = pl.DataFrame(pl.from_arrow(batch)).cast(empty_comments().schema)  # type: ignore[arg-type]
            yield leave_out(Parsed(comments.height, comments, []), ledger)

    def check(self, counters: Counters) -> None:
        """Raises InputError where no row held a comment."""
        if not counters.kept:
            reasons = ", ".join(f"{reason}: {count}" for reason, count in counters.dropped.items()) or "they are empty"
            raise InputError(f"none of the {counters.read} rows of {self.database} is a comment ({reasons}); name other tables")

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """As those of the ingest stage."""
        return merged_statistics(parts, self.config.max_bad_fraction)
