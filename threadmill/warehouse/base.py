"""The small interface behind which DuckDB and BigQuery stand."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import pyarrow as pa

Parameters = Mapping[str, Any]


class Warehouse(Protocol):
    """Runs the statements of sql/ over named tables. Values are bound, identifiers validated."""

    def load(self, table: str, *parts: Sequence[str]) -> None:
        """Makes Parquet files readable as ``table``.

        Args:
            parts: the files' URIs, such as those of a dataset each. Besides its columns a row has ``part`` (INT64): which
                of them it is from, counted from 0.
        """

    def store(self, table: str, rows: pa.Table) -> None:
        """Stores a small Arrow table as ``table``."""

    def tables(self, dataset: str) -> list[str]:
        """The names of a dataset's tables and views, in order; none where there is no such dataset."""

    def columns(self, dataset: str, name: str) -> list[str]:
        """The names of a table's columns."""

    def select(self, table: str, dataset: str, names: Sequence[str], columns: Sequence[str]) -> None:
        """Makes tables of a dataset readable as ``table``.

        Args:
            names: the tables', as `tables` gives them. Besides its columns a row has ``part`` (INT64): which of them it is
                from, counted from 0.
            columns: the columns it has, each as STRING, and NULL where a table lacks it.
        """

    def create(self, table: str, statement: str, parameters: Parameters | None = None) -> None:
        """Stores the rows of a statement of sql/ as ``table``."""

    def define(self, view: str, statement: str) -> None:
        """Makes a statement of sql/ without parameters readable as ``view``; its rows are found when they are asked for."""

    def query(self, statement: str, parameters: Parameters | None = None) -> pa.Table:
        """The rows of a statement of sql/, all at once: for small results."""

    def stream(self, statement: str, parameters: Parameters | None = None) -> pa.RecordBatchReader:
        """The rows of a statement of sql/ in batches: for large results."""
