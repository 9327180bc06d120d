"""DuckDB as the warehouse: embedded, bounded by a memory limit, spilling to disk."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType

import duckdb
import pyarrow as pa

from threadmill.datasets import storage
from threadmill.errors import ConfigError, InputError
from threadmill.warehouse.base import Parameters
from threadmill.warehouse.statements import duckdb_sql

_IDENTIFIER = re.compile(r"^[a-z][a-z0-9_]{0,62}$")
_BATCH_ROWS = 65_536


class DuckDBWarehouse:
    """An in-memory DuckDB for the length of a ``with`` block.

    Args:
        memory_limit: what DuckDB may hold before it spills, such as "1GB".
        threads: its threads at most.
        spill_folder: where it spills; a folder of its own is made below it, and removed at the end.
    """

    def __init__(self, memory_limit: str, threads: int, spill_folder: str) -> None:
        self._spill = tempfile.mkdtemp(prefix=storage.TEMPORARY_PREFIX, dir=spill_folder)
        try:
            self._connection = duckdb.connect(
                config={"memory_limit": memory_limit, "threads": threads, "temp_directory": self._spill}
            )
        except duckdb.Error as error:
            shutil.rmtree(self._spill, ignore_errors=True)
            raise ConfigError(f"DuckDB refuses memory_limit={memory_limit!r}: {error}; write it as '1GB' or '500MB'") from error
        self._connection.execute("SET TimeZone = 'UTC'")

    def __enter__(self) -> "DuckDBWarehouse":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()
        shutil.rmtree(self._spill, ignore_errors=True)

    def load(self, table: str, uris: Sequence[str]) -> None:
        """Makes the local Parquet files at ``uris`` readable as ``table``."""
        paths = [os.path.abspath(storage.local_path(uri)) for uri in uris]
        literals = ", ".join("'" + path.replace("'", "''") + "'" for path in paths)
        self._execute(f"CREATE OR REPLACE VIEW {_identifier(table)} AS SELECT * FROM read_parquet([{literals}])")

    def create(self, table: str, statement: str, parameters: Parameters | None = None) -> None:
        """Stores the rows of a statement of sql/ as ``table``."""
        self._execute(f"CREATE OR REPLACE TABLE {_identifier(table)} AS {duckdb_sql(statement)}", parameters)

    def query(self, statement: str, parameters: Parameters | None = None) -> pa.Table:
        """The rows of a statement of sql/, all at once: for small results."""
        return self._rows(statement, parameters).to_arrow_table()

    def stream(self, statement: str, parameters: Parameters | None = None) -> pa.RecordBatchReader:
        """The rows of a statement of sql/ in batches of about 65,536 rows."""
        reader = self._rows(statement, parameters).to_arrow_reader(_BATCH_ROWS)
        return pa.RecordBatchReader.from_batches(reader.schema, _explained_batches(reader))

    def _execute(self, sql: str, parameters: Parameters | None = None) -> None:
        with _explained():
            self._connection.execute(sql, dict(parameters) if parameters else None)

    def _rows(self, statement: str, parameters: Parameters | None) -> duckdb.DuckDBPyRelation:
        with _explained():
            return self._connection.sql(duckdb_sql(statement), params=dict(parameters) if parameters else None)


@contextmanager
def _explained() -> Iterator[None]:
    """DuckDB's errors that a user can mend, with the remedy."""
    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise ConfigError(f"{str(error).splitlines()[0]}; raise the memory limit (THREADMILL_MEMORY_LIMIT)") from error
    except duckdb.IOException as error:
        raise InputError(f"{str(error).splitlines()[0]}; check that the disk has room and the files are whole") from error


def _explained_batches(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    with _explained():
        yield from reader


def _identifier(name: str) -> str:
    if not _IDENTIFIER.match(name):
        raise ConfigError(f"{name!r} is no table name; use lower-case letters, digits and _, beginning with a letter")
    return name
