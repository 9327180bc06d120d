"""BigQuery jobs with names of their own: a retry finds and adopts what was started, and never starts a second.

The id of a job is that of the run's task, of the run's inputs and settings, and of its name in the run, and ends with the number
of the attempt. An attempt that failed is followed by the next; one that ended well is the last, as long as what it made is there.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

from google.api_core import exceptions
from google.cloud import bigquery

from threadmill.cloud.labels import all_labels
from threadmill.cloud.stopping import cancelled_at_stop
from threadmill.cloud.work import Waiting, cancel, record_uri, settle, write_record
from threadmill.datasets import storage
from threadmill.engine.phases import StageRun
from threadmill.errors import ConfigError, RemoteWorkError
from threadmill.settings import get_settings
from threadmill.warehouse.bigquery import service
from threadmill.warehouse.bigquery.client import check_name, open_client, table_path
from threadmill.warehouse.bigquery.faults import CALL_SECONDS, RETRY, RETRY_UNSEEN, explained
from threadmill.warehouse.bigquery.scratch import scratch_dataset
from threadmill.warehouse.statements import unordered

log = logging.getLogger(__name__)

_SHORT_SECONDS = 3.0  # a job that takes no longer is waited for here, and not handed to who waits
_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 0.5
_LOOK_SECONDS = 10.0
_MOST_VANISHED, _RECENT_SECONDS = 10, 3600.0  # tables that a run may make in vain; each is paid for
_MOST_URIS = 10_000  # of one load job, as documented
_TYPES: dict[type, str] = {bool: "BOOL", int: "INT64", float: "FLOAT64", str: "STRING", bytes: "BYTES"}
_ARROW_TYPES = {"string": "STRING", "int64": "INT64", "bool": "BOOL", "double": "FLOAT64", "timestamp[us, UTC]": "TIMESTAMP"}


@dataclass(frozen=True)
class Destination:
    """The table that a query makes anew.

    Attributes:
        table: in the query's dataset.
        partition_by: of CREATE TABLE, such as "RANGE_BUCKET(shard, GENERATE_ARRAY(0, 8, 1))"; "" for none. Never from outside.
        cluster_by: columns, four at most.
    """

    table: str
    partition_by: str = ""
    cluster_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class QueryJob:
    """A statement of GoogleSQL.

    Attributes:
        name: unique in the run.
        sql: one statement, whose tables without a dataset are those of ``dataset``.
        parameters: values bound to its @names: str, int, float, bool, bytes, or a sequence of one of these that is not empty.
        destination: where the rows of a SELECT go; None for a statement that says so itself (MERGE, CREATE).
        dataset: the default dataset; "" for the run's scratch dataset.
        makes: DATASET.TABLE that it makes, where that is not ``destination``: a job that is done is done again where its table
            is gone.
    """

    name: str
    sql: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    destination: Destination | None = None
    dataset: str = ""
    makes: str = ""


@dataclass(frozen=True)
class LoadJob:
    """Parquet files of Cloud Storage into a table of the run's scratch dataset, which is made anew.

    Attributes:
        name: unique in the run.
        uris: gs:// URIs of files.
        table: in the scratch dataset.
        columns: names and Arrow types, "string", "int64", "bool", "double", "timestamp[us, UTC]", "list<int64>".
    """

    name: str
    uris: Sequence[str]
    table: str
    columns: Sequence[tuple[str, str]]


Job = QueryJob | LoadJob


def statement_job(
    statement: str,
    table: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    partition_by: str = "",
    cluster_by: Sequence[str] = (),
) -> QueryJob:
    """The job that stores the rows of a statement of sql/ as ``table`` of the run's scratch dataset, in no order."""
    return QueryJob(table, unordered(statement), parameters or {}, Destination(table, partition_by, tuple(cluster_by)))


def job_steps(job: Job, run: StageRun) -> Iterator[Waiting]:
    """Sees to it that ``job`` is done; yields it while it is under way. Its scratch dataset must be there.

    Raises:
        RemoteWorkError: the service cannot be reached, or failed too often.
        ConfigError, InputError: what a retry cannot mend, with a remedy.
    """
    client, attempt, vanished = open_client(), 0, 0
    while vanished < _MOST_VANISHED:
        found = _get(client, _job_id(job, run, attempt))
        if found is None or found.state != "DONE":
            started = found or _insert(client, job, run, attempt)
            yield from _until_over(client, started, attempt, job, run, adopted=found is not None)
            found = _get(client, started.job_id)
        if found is not None:
            _note(found, run)
            if not service.failure(found):
                if _is_there(client, _made_table(job, run)):
                    return
                vanished += _is_recent(found)
        attempt += 1
    raise RemoteWorkError(
        f"BigQuery made {client.project}.{_made_table(job, run)} {vanished} times within the hour, and each time it was gone; "
        "see what deletes it (an expiration of the dataset's tables?), then run it again"
    )


def _job_id(job: Job, run: StageRun, attempt: int) -> str:
    return f"{run.site.identity.name(run.key, job.name)}-{attempt}"


def _until_over(
    client: bigquery.Client, found: Any, attempt: int, job: Job, run: StageRun, *, adopted: bool
) -> Iterator[Waiting]:
    waiting = _waiting(found, attempt, job, run, adopted)
    deadline, pause = time.monotonic() + (0 if adopted else _SHORT_SECONDS), _FIRST_PAUSE
    with cancelled_at_stop(waiting.what, partial(cancel, waiting)):
        while found.state != "DONE" and time.monotonic() < deadline:
            time.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)
            found = _get(client, found.job_id) or found
    if found.state == "DONE":
        settle(waiting)
    else:
        yield waiting  # who waits settles it


def _waiting(found: Any, attempt: int, job: Job, run: StageRun, adopted: bool) -> Waiting:
    place = f"{found.location}:{found.job_id}"
    return Waiting(
        "bigquery",
        service.handle_of(found, job.name, attempt, adopted=adopted),
        f"BigQuery job {found.job_id} ({job.name})",
        run.uri,
        f"https://console.cloud.google.com/bigquery?project={found.project}&j=bq:{place}&page=queryresults",
        _LOOK_SECONDS,
    )


def _note(found: Any, run: StageRun) -> None:
    """Its record, where the process that waited was killed before it wrote one, or the job was cancelled with its task."""
    if not storage.exists(record_uri(run.uri, "bigquery", found.job_id)):
        write_record(run.uri, service.record_of(found))


def _get(client: bigquery.Client, job_id: str) -> Any:
    with explained(f"BigQuery job {job_id}"):
        try:
            return client.get_job(job_id, location=client.location, retry=RETRY, timeout=CALL_SECONDS)
        except exceptions.NotFound:
            return None


def _insert(client: bigquery.Client, job: Job, run: StageRun, attempt: int) -> Any:
    run.site.before_start()
    job_id = _job_id(job, run, attempt)
    with explained(f"BigQuery job {job_id} ({job.name})"):
        try:
            started = (
                _insert_query(client, job, run, job_id) if isinstance(job, QueryJob) else _insert_load(client, job, run, job_id)
            )
        except exceptions.Conflict:  # of ours, whose answer was lost, or of another process of the same task
            started = client.get_job(job_id, location=client.location, retry=RETRY_UNSEEN, timeout=CALL_SECONDS)
    log.info("BigQuery job %s (%s) started", job_id, job.name)
    return started


def _insert_query(client: bigquery.Client, job: QueryJob, run: StageRun, job_id: str) -> Any:
    dataset = job.dataset or scratch_dataset(run)
    config = bigquery.QueryJobConfig(
        default_dataset=bigquery.DatasetReference(client.project, dataset),
        query_parameters=[_bound(name, value) for name, value in job.parameters.items()],
        maximum_bytes_billed=int(get_settings().bigquery_max_gb * 1_000_000_000),
        labels=all_labels(run.site.identity),
        use_query_cache=False,
    )
    sql = _create_table(client.project, dataset, job.destination, job.sql) if job.destination else job.sql
    return client.query(
        sql, job_config=config, job_id=job_id, location=client.location, retry=RETRY, job_retry=None, timeout=CALL_SECONDS
    )


def _create_table(project: str, dataset: str, destination: Destination, sql: str) -> str:
    partition = f"\nPARTITION BY {destination.partition_by}" if destination.partition_by else ""
    cluster = f"\nCLUSTER BY {', '.join(map(check_name, destination.cluster_by))}" if destination.cluster_by else ""
    return f"CREATE OR REPLACE TABLE {table_path(project, dataset, destination.table)}{partition}{cluster} AS\n{sql}"


def _insert_load(client: bigquery.Client, job: LoadJob, run: StageRun, job_id: str) -> Any:
    local = [uri for uri in job.uris if not uri.startswith("gs://")]
    if local:
        raise ConfigError(
            f"BigQuery cannot load {local[0]}; with warehouse bigquery all datasets are in Cloud Storage (THREADMILL_ROOT=gs://...)"
        )
    if len(job.uris) > _MOST_URIS:
        raise ConfigError(f"BigQuery loads {_MOST_URIS:,} files at most at once, not {len(job.uris):,}; write fewer shards")
    options: Any = bigquery.ParquetOptions()  # type: ignore[no-untyped-call]
    options.enable_list_inference = True
    config = bigquery.LoadJobConfig(
        source_format=bigquery.SourceFormat.PARQUET,
        schema=[schema_field(name, kind) for name, kind in job.columns],
        write_disposition=bigquery.WriteDisposition.WRITE_TRUNCATE,
        labels=all_labels(run.site.identity),
    )
    config.parquet_options = options
    table = f"{client.project}.{scratch_dataset(run)}.{check_name(job.table)}"
    return client.load_table_from_uri(
        list(job.uris), table, job_config=config, job_id=job_id, location=client.location, retry=RETRY, timeout=CALL_SECONDS
    )


def schema_field(name: str, kind: str) -> bigquery.SchemaField:
    """A column of a table, by its Arrow type; see `LoadJob`."""
    mode, base = ("REPEATED", kind.removeprefix("list<").removesuffix(">")) if kind.startswith("list<") else ("NULLABLE", kind)
    return bigquery.SchemaField(name, _ARROW_TYPES[base], mode=mode)


def _bound(name: str, value: Any) -> Any:
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return bigquery.ArrayQueryParameter(name, _TYPES[type(value[0])], list(value))
    return bigquery.ScalarQueryParameter(name, _TYPES[type(value)], value)


def _made_table(job: Job, run: StageRun) -> str:
    if isinstance(job, LoadJob):
        return f"{scratch_dataset(run)}.{job.table}"
    return f"{job.dataset or scratch_dataset(run)}.{job.destination.table}" if job.destination else job.makes


def _is_recent(found: Any) -> bool:
    """A table that was made long ago is gone because its run was done with it."""
    return found.ended is not None and (datetime.now(UTC) - found.ended).total_seconds() < _RECENT_SECONDS


def _is_there(client: bigquery.Client, table: str) -> bool:
    """False for a table that was deleted, or has expired, since the job that made it."""
    if not table:
        return True
    with explained(f"BigQuery, table {client.project}.{table}"):
        try:
            client.get_table(f"{client.project}.{table}", retry=RETRY, timeout=CALL_SECONDS)
        except exceptions.NotFound:
            return False
    return True
