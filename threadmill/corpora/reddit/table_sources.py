"""Where monthly tables lie: a DuckDB file, or a dataset of BigQuery (bigquery:PROJECT); what tables and columns are there."""

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from threadmill.datasets import storage
from threadmill.datasets.digest import file_digest
from threadmill.datasets.manifest import InputEntry
from threadmill.errors import ConfigError, InputError
from threadmill.warehouse.duckdb import DuckDBWarehouse

BIGQUERY = "bigquery:"
_PROJECT = re.compile(r"[a-z][a-z0-9.:-]{0,99}")


class TableSource(Protocol):
    """Tables of one dataset."""

    def names(self) -> list[str]:
        """Their names, in order; none where there is no such dataset."""

    def columns(self, name: str) -> list[str]:
        """The names of a table's columns."""

    def as_input(self, name: str) -> InputEntry:
        """How a dataset that was made from a table refers to it: its digest differs once the table has been written again."""


def bigquery_project(database: str) -> str:
    """The project of a source bigquery:PROJECT; "" for any other.

    Raises:
        ConfigError: what follows bigquery: is no project's id.
    """
    if not database.startswith(BIGQUERY):
        return ""
    project = database.removeprefix(BIGQUERY)
    if not _PROJECT.fullmatch(project):
        raise ConfigError(f"{database!r} names no project of Google Cloud; write it as bigquery:fh-bigquery")
    return project


@contextmanager
def open_source(database: str, dataset: str, memory_limit: str) -> Iterator[TableSource]:
    """The tables of a dataset.

    Args:
        database: URI of a DuckDB file, or bigquery:PROJECT.

    Raises:
        InputError: there is no such database.
    """
    project = bigquery_project(database)
    if project:
        yield _BigQueryTables(project, dataset)
        return
    if storage.is_directory(database) or storage.size(database) < 0:
        raise InputError(f"{database} is no file; name a DuckDB database, such as reddit.duckdb, or bigquery:PROJECT")
    with DuckDBWarehouse(memory_limit, 1, tempfile.gettempdir(), database) as warehouse:
        yield _DuckDBTables(warehouse, database, dataset)


@dataclass
class _DuckDBTables:
    """A schema of a DuckDB file. Every table's digest is the file's."""

    warehouse: DuckDBWarehouse
    database: str
    dataset: str

    def names(self) -> list[str]:
        return self.warehouse.tables(self.dataset)

    def columns(self, name: str) -> list[str]:
        return self.warehouse.columns(self.dataset, name)

    def as_input(self, name: str) -> InputEntry:
        return InputEntry(f"{self.dataset}.{name}", self._digest, self.database)

    @cached_property
    def _digest(self) -> str:
        return file_digest(self.database)


@dataclass
class _BigQueryTables:
    """A dataset of BigQuery, which need not be ours. A table's digest is of its time of change, rows and bytes."""

    project: str
    dataset: str

    def names(self) -> list[str]:
        from threadmill.warehouse.bigquery.catalog import table_names

        return table_names(self.project, self.dataset)

    def columns(self, name: str) -> list[str]:
        from threadmill.warehouse.bigquery.catalog import table_facts

        return list(table_facts(self.project, self.dataset, name).columns)

    def as_input(self, name: str) -> InputEntry:
        from threadmill.warehouse.bigquery.catalog import table_facts

        digest = table_facts(self.project, self.dataset, name).digest
        return InputEntry(f"{self.dataset}.{name}", digest, f"bigquery://{self.project}/{self.dataset}/{name}")
