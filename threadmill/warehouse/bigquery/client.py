"""The clients of BigQuery, with the credentials in use; BIGQUERY_EMULATOR_HOST and STORAGE_HOST name other servers."""

import os
import re
from typing import Any

from google.cloud import bigquery

from threadmill.cloud.credentials import current_access
from threadmill.errors import ConfigError
from threadmill.settings import get_settings

STORAGE_HOST = "BIGQUERY_STORAGE_EMULATOR_HOST"  # HOST:PORT of gRPC without TLS
_DEFAULT_LOCATION = "US"  # BigQuery's own
_NAME = re.compile(r"[A-Za-z0-9_]{1,1024}")
_PROJECT = re.compile(r"[a-z0-9.:-]{1,100}")


def open_client() -> bigquery.Client:
    """A client whose ``project`` and ``location`` are those of all our jobs. Makes no call.

    Raises:
        ConfigError: no credentials, or no project.
    """
    access = current_access()
    return bigquery.Client(project=access.project, credentials=access.credentials, location=job_location())


def open_read_client() -> Any:
    """A `BigQueryReadClient`, of the Storage Read API."""
    from google.cloud import bigquery_storage

    make: Any = bigquery_storage.BigQueryReadClient

    host = os.environ.get(STORAGE_HOST)
    if not host:
        return make(credentials=current_access().credentials)
    import grpc  # type: ignore[import-untyped]
    from google.cloud.bigquery_storage_v1.services.big_query_read.transports import BigQueryReadGrpcTransport

    channel = grpc.insecure_channel(host, options=[("grpc.max_receive_message_length", -1)])
    return make(transport=BigQueryReadGrpcTransport(channel=channel))


def job_location() -> str:
    """Where our jobs and datasets are, such as US or europe-west4."""
    return get_settings().location or _DEFAULT_LOCATION


def check_name(name: str, what: str = "table") -> str:
    """``name`` itself, fit to stand in SQL as a part of `table_path`.

    Raises:
        ConfigError: it is not letters, digits and _.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no name of a BigQuery {what}; use letters, digits and _")
    return name


def check_project(project: str) -> str:
    """``project`` itself, fit to stand in SQL as a part of `table_path`.

    Raises:
        ConfigError: it is no project id.
    """
    if not _PROJECT.fullmatch(project):
        raise ConfigError(f"{project!r} is no id of a Google Cloud project; use lower-case letters, digits and -")
    return project


def table_path(project: str, dataset: str, table: str) -> str:
    """A table's full name in SQL, quoted, all of its parts checked."""
    return f"`{check_project(project)}.{check_name(dataset, 'dataset')}.{check_name(table)}`"
