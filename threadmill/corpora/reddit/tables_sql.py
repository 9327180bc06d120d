"""The jobs of BigQuery that turn one monthly table into rows that know their shard: the statements of sql/, as they are."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from threadmill.corpora.reddit.tables import TABLE_COLUMNS, judged_parameters
from threadmill.engine.stage import Task
from threadmill.errors import ConfigError, InputError
from threadmill.takedown.ledger import Ledger
from threadmill.warehouse.bigquery.catalog import table_facts
from threadmill.warehouse.bigquery.client import table_path
from threadmill.warehouse.bigquery.jobs import Destination, QueryJob
from threadmill.warehouse.bigquery.views import over, rows_of

# Of each type that can be read as text: how. DuckDB writes a whole FLOAT64 with .0, and the rules of rows.py go by that.
_AS_IT_IS = "CAST({0} AS STRING)"
_WITH_FRACTION = "IF(REGEXP_CONTAINS(CAST({0} AS STRING), r'^-?[0-9]+$'), CONCAT(CAST({0} AS STRING), '.0'), CAST({0} AS STRING))"
_TEXTS = {
    **dict.fromkeys(
        ["STRING", "INTEGER", "INT64", "BOOLEAN", "BOOL", "TIMESTAMP", "DATETIME", "NUMERIC", "BIGNUMERIC"], _AS_IT_IS
    ),
    **dict.fromkeys(["FLOAT", "FLOAT64"], _WITH_FRACTION),
}
_MOST_PARTITIONS = 3_999  # that one job may write: 4,000
_MOST_BOUND = 100_000  # entries of a ledger that go along with a statement, whose request has 10 MB at most
_LEDGER = (
    "SELECT 'id' AS kind, value FROM UNNEST(@ids) AS value "
    "UNION ALL SELECT 'author' AS kind, value FROM UNNEST(@authors) AS value"
)
LETTERS_A_SHARD = 100_000  # dead letters that a worker holds at a time


@dataclass(frozen=True)
class ShardedTable:
    """The scratch tables of one monthly table.

    Attributes:
        index: of the monthly table among those that are read.
    """

    index: int

    @property
    def judged(self) -> str:
        """All its rows, each with what is wrong with it."""
        return f"judged_{self.index}"

    @property
    def comments(self) -> str:
        """Its comments less those that the ledger names, with their shards."""
        return f"comments_{self.index}"

    @property
    def unusable(self) -> str:
        """Its other rows, in shards of `LETTERS_A_SHARD`."""
        return f"unusable_{self.index}"


def table_jobs(
    project: str, dataset: str, task: Task, ledger: Ledger, shard_rows: int, ledger_loaded: bool = False
) -> Iterator[QueryJob]:
    """The jobs of one monthly table, one after the other.

    Args:
        task: of the tables stage: the table's name and index.
        ledger_loaded: the table ``ledger`` is there; otherwise its entries go along with the statement.

    Raises:
        ConfigError: the ledger is too long to go along.
    """
    bound = {} if ledger_loaded else _ledger_parameters(ledger)
    facts, tables = table_facts(project, dataset, task.name), ShardedTable(task.payload)
    rows = {"table_rows": source_select(project, dataset, task.name, facts.columns)}
    yield QueryJob(tables.judged, over("judged_rows", rows), judged_parameters(task), Destination(tables.judged))
    judged = {"judged": f"SELECT * FROM {tables.judged}"}
    comments = {**judged, **_kept(ledger, ledger_loaded), "placed_rows": "SELECT *, source_row AS place FROM comments"}
    yield _sharded(tables.comments, comments, shard_rows, facts.rows, bound)
    unusable = {**judged, "placed_rows": f"SELECT *, row_number AS place FROM (\n{rows_of('unusable_rows')}\n)"}
    yield _sharded(tables.unusable, unusable, LETTERS_A_SHARD, facts.rows, {})


def source_select(project: str, dataset: str, table: str, columns: Mapping[str, str]) -> str:
    """A SELECT of a monthly table's columns that are used, all as text, NULL where it lacks one.

    Args:
        columns: name -> type of those that it has.

    Raises:
        InputError: a column has a type that is no text, number or time.
    """
    for name in TABLE_COLUMNS:
        if columns.get(name, "STRING") not in _TEXTS:
            raise InputError(
                f"column {name} of BigQuery table {project}.{dataset}.{table} is of type {columns[name]}, which is no text, "
                "number or time; choose other tables, or a view's rows copied to one with that column as STRING"
            )
    texts = (
        f"{_TEXTS[columns[name]].format(name) if name in columns else 'CAST(NULL AS STRING)'} AS {name}" for name in TABLE_COLUMNS
    )
    return f"SELECT {', '.join(texts)} FROM {table_path(project, dataset, table)}"


def _kept(ledger: Ledger, ledger_loaded: bool) -> dict[str, str]:
    """The comments, and how the ledger's are taken out of them."""
    if not len(ledger):
        return {"comments": rows_of("comments_from_table")}
    return {
        "all_comments": f"SELECT *, 0 AS part FROM (\n{rows_of('comments_from_table')}\n)",
        **({} if ledger_loaded else {"ledger": _LEDGER}),
        "taken_down": rows_of("taken_down"),
        "comments": f"SELECT * EXCEPT (part) FROM (\n{rows_of('remaining_comments')}\n)",
    }


def _ledger_parameters(ledger: Ledger) -> dict[str, list[str]]:
    """Never an empty list, whose type nobody could tell; "" is no id and no hash."""
    if len(ledger) > _MOST_BOUND:
        raise ConfigError(
            f"the ledger has {len(ledger):,} entries, and BigQuery takes {_MOST_BOUND:,} from this machine; "
            "name an output in gs://, from where it loads any number"
        )
    return {"ids": sorted(ledger.ids) or [""], "authors": sorted(ledger.authors) or [""]} if len(ledger) else {}


def _sharded(table: str, views: Mapping[str, str], shard_rows: int, most_rows: int, parameters: Mapping[str, object]) -> QueryJob:
    """Partitioned by shard, so that who reads one shard is billed for no other."""
    most_shards = most_rows // shard_rows + 1
    width = -(-most_shards // _MOST_PARTITIONS)
    partition = f"RANGE_BUCKET(shard, GENERATE_ARRAY(0, {(most_shards // width + 1) * width}, {width}))"
    bound = {**parameters, "shard_rows": shard_rows}
    return QueryJob(table, over("rows_in_shards", views), bound, Destination(table, partition))
