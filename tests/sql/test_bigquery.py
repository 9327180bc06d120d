"""Every statement of sql/ by bqemulator, through the client of BigQuery, and by DuckDB: equal rows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from google.cloud import bigquery

from tests.fakes.cloud_warehouse import CloudWarehouse, cloud_warehouse
from tests.sql.test_statements import CASES, POLARS, Table, duckdb_rows
from threadmill.datasets import storage
from threadmill.warehouse.bigquery.client import open_client
from threadmill.warehouse.statements import googlesql

pytestmark = pytest.mark.cloud
DATASET = "statements"
ARRAY = "ARRAY<INT64>"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudWarehouse]:
    with cloud_warehouse(tmp_path_factory.mktemp("cloud")) as started:
        open_client().create_dataset(DATASET)
        yield started


def load(cloud: CloudWarehouse, name: str, table: Table) -> None:
    columns, rows = table
    uri = storage.join(cloud.bucket, "rows", f"{name}.parquet")
    with storage.atomic_writer(uri) as stream:
        pl.DataFrame(rows, schema={column: POLARS[kind] for column, kind in columns.items()}).write_parquet(stream)
    options = bigquery.ParquetOptions()
    options.enable_list_inference = True
    schema = [
        bigquery.SchemaField(column, "INT64" if kind == ARRAY else kind, "REPEATED" if kind == ARRAY else "NULLABLE")
        for column, kind in columns.items()
    ]
    config = bigquery.LoadJobConfig(schema=schema, source_format="PARQUET", write_disposition="WRITE_TRUNCATE")
    config.parquet_options = options
    open_client().load_table_from_uri(uri, f"threadmill-test.{DATASET}.{name}", job_config=config).result()


@pytest.mark.parametrize("name", CASES)
def test_bigquerys_client_and_duckdb_give_equal_rows(name: str, cloud: CloudWarehouse, tmp_path: Path) -> None:
    case = CASES[name]
    for table, content in case.tables.items():
        load(cloud, table, content)
    config = bigquery.QueryJobConfig(
        default_dataset=f"threadmill-test.{DATASET}",
        query_parameters=[bigquery.ScalarQueryParameter(key, kind, value) for key, (kind, value) in case.parameters.items()],
    )
    rows = open_client().query(googlesql(case.statement), job_config=config).result()
    found: list[dict[str, Any]] = [dict(row.items()) for row in rows]
    wanted = duckdb_rows(case, tmp_path)
    assert [list(row) for row in found] == [list(row) for row in wanted]
    if "\nORDER BY" not in googlesql(case.statement):
        wanted, found = (sorted(rows, key=repr) for rows in (wanted, found))
    assert found == wanted
