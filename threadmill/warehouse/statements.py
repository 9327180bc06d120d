"""The statements under sql/: GoogleSQL, one a file, bound parameters only."""

import re
from functools import lru_cache
from pathlib import Path

import threadmill

_PACKAGED = Path(threadmill.__file__).parent / "sql"
_LAST_ORDER = re.compile(r"\nORDER BY [^()]*\Z")
_CHECKOUT = Path(threadmill.__file__).parent.parent / "sql"


def statement_path(name: str) -> Path:
    """The file of the statement ``name``.

    Raises:
        FileNotFoundError: there is no such statement.
    """
    for folder in (_PACKAGED, _CHECKOUT):
        path = folder / f"{name}.sql"
        if path.exists():
            return path
    raise FileNotFoundError(f"no statement {name}.sql in {_PACKAGED} or {_CHECKOUT}")


def googlesql(name: str) -> str:
    """The text of the statement ``name``, as BigQuery runs it."""
    return statement_path(name).read_text(encoding="utf-8")


def unordered(name: str) -> str:
    """The statement ``name`` less the ORDER BY that it ends with, which a table has no use for, and a sort has its price."""
    return _LAST_ORDER.sub("\n", googlesql(name))


@lru_cache
def duckdb_sql(name: str) -> str:
    """The statement ``name`` in DuckDB's dialect; ``@name`` parameters become ``$name``."""
    import sqlglot  # 0.15 s, of use to DuckDB alone

    tree = sqlglot.parse_one(googlesql(name), read="bigquery")
    for subquery in tree.find_all(sqlglot.exp.CTE):
        subquery.set("materialized", False)  # or one that is named twice is stored whole, with columns that none asks for
    return tree.sql("duckdb")
