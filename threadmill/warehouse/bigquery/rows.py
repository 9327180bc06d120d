"""Rows of a BigQuery table as Arrow, over the Storage Read API, from any process."""

from collections.abc import Iterator, Sequence

import pyarrow as pa

from threadmill.warehouse.bigquery.client import check_name, check_project, open_read_client
from threadmill.warehouse.bigquery.faults import CALL_SECONDS, explained

_STREAM_SECONDS = 3600.0  # of one stream, from its beginning or from where it goes on
_RETRY_SECONDS = 300.0


def read_rows(table: str, columns: Sequence[str] = (), restriction: str = "") -> Iterator[pa.RecordBatch]:
    """The rows of a table, in no order, as they come: memory is bounded by a message, which is about 1 MB.

    A stream that breaks goes on from the row that it was at.

    Args:
        table: PROJECT.DATASET.TABLE; no view.
        columns: those wanted, in the table's order; all by default.
        restriction: as after WHERE, such as "shard = 7"; on the columns of partitions and clusters it saves reading. Never
            from outside.

    Raises:
        InputError: there is no such table.
        RemoteWorkError: the service cannot be reached.
    """
    project, dataset, name = table.rsplit(".", 2)
    path = f"projects/{check_project(project)}/datasets/{check_name(dataset, 'dataset')}/tables/{check_name(name)}"
    with explained(f"BigQuery, reading table {table}"):
        yield from _batches(project, path, columns, restriction)


def _batches(project: str, path: str, columns: Sequence[str], restriction: str) -> Iterator[pa.RecordBatch]:
    from google.api_core import exceptions, retry
    from google.cloud.bigquery_storage_v1 import types

    again = retry.Retry(
        predicate=retry.if_exception_type(exceptions.ServiceUnavailable, exceptions.DeadlineExceeded, exceptions.TooManyRequests),
        initial=0.2,
        maximum=30.0,
        timeout=_RETRY_SECONDS,
    )
    client = open_read_client()
    options = types.ReadSession.TableReadOptions(selected_fields=list(columns), row_restriction=restriction)
    wanted = types.ReadSession(table=path, data_format=types.DataFormat.ARROW, read_options=options)
    session = client.create_read_session(
        parent=f"projects/{project}", read_session=wanted, max_stream_count=1, retry=again, timeout=CALL_SECONDS
    )
    schema = pa.ipc.read_schema(pa.py_buffer(session.arrow_schema.serialized_schema)) if session.streams else None
    for stream in session.streams:
        for message in client.read_rows(stream.name, retry=again, timeout=_STREAM_SECONDS):
            if message.row_count:
                yield pa.ipc.read_record_batch(pa.py_buffer(message.arrow_record_batch.serialized_record_batch), schema)
