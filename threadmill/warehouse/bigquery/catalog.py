"""What tables there are in BigQuery, of ours and of others: names, columns, rows, and what tells that a table has changed."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from google.api_core import exceptions
from google.cloud import bigquery

from threadmill.datasets.digest import json_digest
from threadmill.errors import InputError
from threadmill.warehouse.bigquery.client import check_name, check_project, open_client
from threadmill.warehouse.bigquery.faults import CALL_SECONDS, RETRY, explained
from threadmill.warehouse.bigquery.scratch import check_location

_WITH_ROWS = ("TABLE", "SNAPSHOT", "CLONE")  # views and external tables do not tell when their rows have changed


@dataclass(frozen=True)
class TableFacts:
    """What BigQuery tells of a table without reading it, which is free.

    Attributes:
        columns: name -> type in capitals, such as "STRING" or "INTEGER"; "ARRAY" where it is repeated.
        rows: how many it has.
        digest: SHA-256 (hex) that differs once the table has been written again.
    """

    columns: Mapping[str, str]
    rows: int
    digest: str


def table_names(project: str, dataset: str) -> list[str]:
    """The names of a dataset's tables and views, in order.

    Raises:
        InputError: there is no such dataset.
        ConfigError: it is not where our jobs are, or must not be read.
    """
    client, path = open_client(), f"{check_project(project)}.{check_name(dataset, 'dataset')}"
    with explained(f"BigQuery, dataset {path}"):
        check_location(client.get_dataset(path, retry=RETRY, timeout=CALL_SECONDS))
        return sorted(table.table_id for table in client.list_tables(path, retry=RETRY, timeout=CALL_SECONDS))


def table_facts(project: str, dataset: str, table: str) -> TableFacts:
    """What there is to know of a table.

    Raises:
        InputError: there is none, or it is a view.
    """
    path = f"{check_project(project)}.{check_name(dataset, 'dataset')}.{check_name(table)}"
    found = _get(path)
    if found.table_type not in _WITH_ROWS:
        raise InputError(
            f"BigQuery table {path} is of the kind {found.table_type}, which does not tell when its rows change; "
            "name the tables that it reads, or copy its rows to a table"
        )
    state = [path, found.modified.isoformat(), found.num_rows, found.num_bytes]
    return TableFacts({field.name: _type(field) for field in found.schema}, int(found.num_rows or 0), json_digest(state))


def row_count(path: str) -> int:
    """The rows of the table PROJECT.DATASET.TABLE; free."""
    return int(_get(path).num_rows or 0)


def billed_bytes(sql: str) -> int:
    """The bytes that a query would read, and bill; a dry run, which is free."""
    client = open_client()
    config = bigquery.QueryJobConfig(dry_run=True, use_query_cache=False)
    with explained("BigQuery, dry run"):
        job = client.query(sql, job_config=config, location=client.location, retry=RETRY, job_retry=None, timeout=CALL_SECONDS)
    return int(job.total_bytes_processed or 0)


def _get(path: str) -> Any:
    with explained(f"BigQuery, table {path}"):
        try:
            return open_client().get_table(path, retry=RETRY, timeout=CALL_SECONDS)
        except exceptions.NotFound as error:
            raise InputError(f"BigQuery table {path} is not there (or not to be seen); check its name") from error


def _type(field: Any) -> str:
    return "ARRAY" if field.mode == "REPEATED" else str(field.field_type).upper()
