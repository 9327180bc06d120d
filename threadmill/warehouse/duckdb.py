"""DuckDB as the warehouse: embedded, bounded by a memory limit, spilling to disk."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from threadmill.datasets import storage
from threadmill.errors import ConfigError, InputError
from threadmill.warehouse.base import Parameters
from threadmill.warehouse.statements import duckdb_sql

if TYPE_CHECKING:
    from threadmill.datasets.cloud_files import CloudFiles

_IDENTIFIER = re.compile(r"^[a-z][a-z0-9_]{0,62}$")
_MEMORY = re.compile(r"^\s*(?P<number>\d+(\.\d+)?)\s*(?P<unit>[KMGT])(?P<binary>i?)B\s*$", re.IGNORECASE)
_BYTES_A_THREAD = 250_000_000
_BATCH_ROWS = 65_536
_ATTACHED = "attached"  # the catalog of the database that was given


class DuckDBWarehouse:
    """An in-memory DuckDB for the length of a ``with`` block.

    Args:
        memory_limit: what DuckDB may hold before it spills, such as "1GB".
        threads: its threads at most; there are fewer where the memory limit is small.
        spill_folder: where it spills; a folder of its own is made below it, and removed at the end. Where it is remote, this
            machine's temporary folder.
        database: a DuckDB file whose schemas are the datasets that `tables` and `select` know; it is only read.

    Raises:
        ConfigError: the memory limit is none.
        InputError: the database is none, or cannot be opened.
    """

    def __init__(self, memory_limit: str, threads: int, spill_folder: str, database: str = "") -> None:
        limit = _bytes(memory_limit)
        # A sort that spills holds about 120,000 rows a thread: more threads than the memory serves end in an error.
        threads = max(1, min(threads, limit // _BYTES_A_THREAD))
        self._spill = tempfile.mkdtemp(prefix=storage.TEMPORARY_PREFIX, dir=storage.scratch_folder(spill_folder))
        self._connection = duckdb.connect(
            config={"memory_limit": f"{limit // 1000}KB", "threads": threads, "temp_directory": self._spill}
        )
        self._connection.execute("SET TimeZone = 'UTC'")
        self._files: CloudFiles | None = None
        if database:
            self._attach(database)

    def __enter__(self) -> "DuckDBWarehouse":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._connection.close()
        shutil.rmtree(self._spill, ignore_errors=True)

    def load(self, table: str, *parts: Sequence[str]) -> None:
        """Makes Parquet files readable as ``table``, with a column ``part``; see `Warehouse.load`."""
        if any(storage.is_cloud(uri) for uris in parts for uri in uris):
            self._reach_cloud()
        reads = (f"SELECT *, {part}::BIGINT AS part FROM {_read_parquet(uris)}" for part, uris in enumerate(parts))
        self._execute(f"CREATE OR REPLACE VIEW {_identifier(table)} AS {' UNION ALL BY NAME '.join(reads)}")

    def _reach_cloud(self) -> None:
        """Lets DuckDB read gs:// by our streams; its own way to it wants keys of another kind."""
        if self._files is None:
            from threadmill.datasets.cloud_files import CloudFiles

            self._files = CloudFiles()
            self._connection.register_filesystem(self._files)

    def store(self, table: str, rows: pa.Table) -> None:
        """Stores a small Arrow table as ``table``."""
        self._connection.register("rows_to_store", rows)
        self._execute(f"CREATE OR REPLACE TABLE {_identifier(table)} AS FROM rows_to_store")
        self._connection.unregister("rows_to_store")

    def _attach(self, database: str) -> None:
        if not storage.is_local(database):
            self.__exit__(None, None, None)
            raise ConfigError(f"{database} is not on this machine; copy the DuckDB file here, and name that")
        path = os.path.abspath(storage.local_path(database))
        try:
            self._connection.execute(f"ATTACH {_literal(path)} AS {_ATTACHED} (TYPE duckdb, READ_ONLY)")
        except duckdb.Error as error:
            self.__exit__(None, None, None)
            reason = str(error).splitlines()[0]
            raise InputError(
                f"{database} cannot be read ({reason}); name a DuckDB database file that no one writes to"
            ) from error

    def tables(self, dataset: str) -> list[str]:
        """The names of the tables and views of a schema of the attached database; see `Warehouse.tables`."""
        found = self._connection.execute(
            "SELECT table_name FROM information_schema.tables WHERE table_catalog = ? AND table_schema = ? ORDER BY ALL",
            [_ATTACHED, dataset],
        ).fetchall()
        return [name for (name,) in found]

    def columns(self, dataset: str, name: str) -> list[str]:
        """The names of a table's columns; see `Warehouse.columns`."""
        found = self._connection.execute(
            "SELECT column_name FROM information_schema.columns "
            "WHERE table_catalog = ? AND table_schema = ? AND table_name = ? ORDER BY ordinal_position",
            [_ATTACHED, dataset, name],
        ).fetchall()
        return [column for (column,) in found]

    def select(self, table: str, dataset: str, names: Sequence[str], columns: Sequence[str]) -> None:
        """Makes tables of the attached database readable as ``table``; see `Warehouse.select`."""
        reads = []
        for part, name in enumerate(names):
            present = self.columns(dataset, name)
            texts = [
                f"CAST({_quoted(column) if column in present else 'NULL'} AS VARCHAR) AS {_identifier(column)}"
                for column in columns
            ]
            place = ".".join([_ATTACHED, _quoted(dataset), _quoted(name)])
            reads.append(f"SELECT {', '.join(texts)}, {part}::BIGINT AS part FROM {place}")
        self._execute(f"CREATE OR REPLACE VIEW {_identifier(table)} AS {' UNION ALL '.join(reads)}")

    def create(self, table: str, statement: str, parameters: Parameters | None = None) -> None:
        """Stores the rows of a statement of sql/ as ``table``."""
        self._execute(f"CREATE OR REPLACE TABLE {_identifier(table)} AS {duckdb_sql(statement)}", parameters)

    def define(self, view: str, statement: str) -> None:
        """Makes a statement of sql/ readable as ``view``; see `Warehouse.define`."""
        self._execute(f"CREATE OR REPLACE VIEW {_identifier(view)} AS {duckdb_sql(statement)}")

    def query(self, statement: str, parameters: Parameters | None = None) -> pa.Table:
        """The rows of a statement of sql/, all at once: for small results."""
        with self._explained():
            return self._rows(statement, parameters).to_arrow_table()

    def stream(self, statement: str, parameters: Parameters | None = None) -> pa.RecordBatchReader:
        """The rows of a statement of sql/ in batches of about 65,536 rows."""
        with self._explained():
            reader = self._rows(statement, parameters).to_arrow_reader(_BATCH_ROWS)
        return pa.RecordBatchReader.from_batches(reader.schema, self._explained_batches(reader))

    def _execute(self, sql: str, parameters: Parameters | None = None) -> None:
        with self._explained():
            self._connection.execute(sql, dict(parameters) if parameters else None)

    def _rows(self, statement: str, parameters: Parameters | None) -> duckdb.DuckDBPyRelation:
        return self._connection.sql(duckdb_sql(statement), params=dict(parameters) if parameters else None)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """DuckDB's errors that a user can mend, with the remedy; those of Cloud Storage as they were before it wrapped them."""
        try:
            yield
        except duckdb.Error as error:
            if self._files is not None and self._files.fault is not None:
                raise self._files.fault from None
            raise _explanation(error) from error

    def _explained_batches(self, reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
        with self._explained():
            yield from reader


def _explanation(error: duckdb.Error) -> Exception:
    reason = str(error).splitlines()[0]
    if isinstance(error, duckdb.OutOfMemoryException):
        return ConfigError(f"{reason}; raise the memory limit (THREADMILL_MEMORY_LIMIT)")
    if isinstance(error, duckdb.IOException | duckdb.InvalidInputException):  # the second for a file that is no Parquet
        return InputError(f"{reason}; check that the disk has room and the files are whole")
    return error


def _bytes(memory_limit: str) -> int:
    match = _MEMORY.match(memory_limit)
    if match is None or not float(match["number"]):
        raise ConfigError(f"the memory limit is {memory_limit!r}; write it as '1GB' or '500MB'")
    power = "KMGT".index(match["unit"].upper()) + 1
    return min(int(float(match["number"]) * (1024 if match["binary"] else 1000) ** power), 1 << 60)


def _read_parquet(uris: Sequence[str]) -> str:
    literals = ", ".join(_literal(storage.absolute(uri)) for uri in uris)
    return f"read_parquet([{literals}])"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _quoted(name: str) -> str:
    """A name that the database itself has given, such as 2015_05, as an identifier."""
    return '"' + name.replace('"', '""') + '"'


def _identifier(name: str) -> str:
    if not _IDENTIFIER.match(name):
        raise ConfigError(f"{name!r} is no table name; use lower-case letters, digits and _, beginning with a letter")
    return name
