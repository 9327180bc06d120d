"""The table of comments in BigQuery: partitioned by month, clustered by thread, filled from the Parquet of comments datasets.

It holds the rows of several datasets side by side, each told by the digest of its manifest. A dataset that is made again under
its URI replaces its rows of the months that it has, in one statement, so that no half of them is ever read.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import cast

from google.cloud import bigquery

from threadmill.cloud.labels import settings_labels
from threadmill.corpora.reddit.comments import SCHEMA
from threadmill.datasets import storage
from threadmill.datasets.dataset import Dataset
from threadmill.engine.phases import StageRun
from threadmill.errors import InputError
from threadmill.months import check_month
from threadmill.settings import get_settings
from threadmill.warehouse.bigquery.client import check_name, open_client, table_path
from threadmill.warehouse.bigquery.faults import CALL_SECONDS, RETRY, explained
from threadmill.warehouse.bigquery.jobs import Destination, Job, LoadJob, QueryJob, schema_field
from threadmill.warehouse.bigquery.rows import read_rows
from threadmill.warehouse.bigquery.scratch import make_dataset, scratch_dataset

TABLE = "comments"
_MONTH, _DATASET, _PLACE = "month_start", "dataset_key", "place_key"
_NAMES = tuple(field.name for field in SCHEMA)
_DESCRIPTION = "Comments and submissions, a row each, with the month (UTC) of created_utc and the dataset that they are from"


def load_comments(datasets: Sequence[Dataset], run: StageRun) -> Iterator[Job]:
    """The jobs that bring datasets of comments into the table, those less that are there. A `Work` of `SqlPhase`.

    Raises:
        ConfigError: the table's dataset is in another location.
    """
    _make_table()
    for dataset in {dataset.manifest.digest: dataset for dataset in datasets}.values():
        yield from _load(dataset, run)


def comments_view(datasets: Sequence[Dataset], view: str, run: StageRun) -> QueryJob:
    """The job that makes the comments of some datasets readable as ``view`` of the scratch dataset, each with its ``part``."""
    scratch = scratch_dataset(run)
    columns = ", ".join(_NAMES)
    reads = (f"SELECT {columns}, {part} AS part FROM {_path()} WHERE {_is_of(dataset)}" for part, dataset in enumerate(datasets))
    sql = f"CREATE OR REPLACE VIEW {table_path(_project(), scratch, view)} AS\n" + "\nUNION ALL\n".join(reads)
    return QueryJob(view, sql, makes=f"{scratch}.{view}")


def _load(dataset: Dataset, run: StageRun) -> Iterator[Job]:
    key, scratch = dataset.manifest.digest[:12], scratch_dataset(run)
    counted, loaded = f"counted_{key}", f"loaded_{key}"
    sql = f"SELECT COUNT(*) AS row_count FROM {_path()} WHERE {_is_of(dataset)}"
    yield QueryJob(counted, sql, destination=Destination(counted))
    (count,) = (row["row_count"] for batch in read_rows(f"{_project()}.{scratch}.{counted}") for row in batch.to_pylist())
    if count == dataset.manifest.records:
        return
    uris = [dataset.path(shard) for shard in dataset.shards()]
    yield LoadJob(loaded, uris, loaded, [(field.name, field.type) for field in SCHEMA])
    # Told to be done as long as the loaded rows are there: who finds the table wrong deletes the scratch dataset. Rows that are
    # loaded anew are merged anew, so the name tells when the table was made.
    made = _made_at(f"{_project()}.{scratch}.{loaded}")
    sql = _merge(dataset, table_path(_project(), scratch, loaded))
    yield QueryJob(f"merged_{key}_{made:%Y%m%d%H%M%S%f}", sql, makes=f"{scratch}.{loaded}")


def _made_at(table: str) -> datetime:
    with explained(f"BigQuery, table {table}"):
        return cast(datetime, open_client().get_table(table, retry=RETRY, timeout=CALL_SECONDS).created)


def _merge(dataset: Dataset, loaded: str) -> str:
    """One statement, so all or nothing; the same rows however often. The constant condition lets BigQuery prune partitions."""
    columns = ", ".join((*_NAMES, _MONTH, _DATASET, _PLACE))
    place = int(hashlib.sha256(storage.absolute(dataset.uri).rstrip("/").encode()).hexdigest()[:15], 16)
    return f"""MERGE {_path()} AS target
USING (
  SELECT {", ".join(_NAMES)}, CAST(CONCAT(month, '-01') AS DATE) AS {_MONTH}, {_key(dataset)} AS {_DATASET}, {place} AS {_PLACE}
  FROM {loaded}
) AS source
ON FALSE
WHEN NOT MATCHED BY SOURCE
  AND target.{_MONTH} IN ({_months(dataset)})
  AND (target.{_DATASET} = {_key(dataset)} OR target.{_PLACE} = {place})
  THEN DELETE
WHEN NOT MATCHED BY TARGET THEN INSERT ({columns}) VALUES ({columns})"""


def _is_of(dataset: Dataset) -> str:
    return f"{_MONTH} IN ({_months(dataset)}) AND {_DATASET} = {_key(dataset)}"


def _key(dataset: Dataset) -> int:
    return int(dataset.manifest.digest[:15], 16)


def _months(dataset: Dataset) -> str:
    months: Iterable[str] = dataset.manifest.statistics.get("months", ())
    if not months:
        raise InputError(f"{dataset.uri} does not tell the months of its comments; make it again with the ingest stage")
    return ", ".join(f"DATE '{check_month(month)}-01'" for month in sorted(months))


def _project() -> str:
    return str(open_client().project)


def _path() -> str:
    return table_path(_project(), get_settings().bigquery_dataset, TABLE)


def _make_table() -> None:
    client, name = open_client(), check_name(get_settings().bigquery_dataset, "dataset")
    make_dataset(name, labels=settings_labels(), description="Threadmill")
    fields = [
        *(schema_field(field.name, field.type) for field in SCHEMA),
        bigquery.SchemaField(_MONTH, "DATE"),
        bigquery.SchemaField(_DATASET, "INT64"),
        bigquery.SchemaField(_PLACE, "INT64"),
    ]
    table = bigquery.Table(f"{client.project}.{name}.{TABLE}", fields)
    table.time_partitioning = bigquery.TimePartitioning(bigquery.TimePartitioningType.MONTH, _MONTH)
    table.clustering_fields, table.description = ["thread_id"], _DESCRIPTION
    with explained(f"BigQuery, table {client.project}.{name}.{TABLE}"):
        client.create_table(table, exists_ok=True, retry=RETRY, timeout=CALL_SECONDS)
