"""The credentials of an Airflow connection, for the library's calls to Google Cloud."""

import time
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache

from threadmill.cloud.credentials import Access, use_access
from threadmill.datasets.storage import is_local
from threadmill.settings import get_settings

_LOCAL = ("local", "duckdb", "local")
_SECONDS = 300  # for which a connection is not read again


def is_remote() -> bool:
    """Whether the settings send any work, or any dataset, to a remote service."""
    settings = get_settings()
    return settings.runs_on != _LOCAL or not is_local(settings.root)


def cloud_access() -> AbstractContextManager[None]:
    """Within the block the library calls Google Cloud as the connection says; nothing where no work and no dataset is there."""
    if not _is_google():
        return nullcontext()
    settings = get_settings()
    return use_access(connection_access(settings.connection, settings.project, int(time.monotonic() / _SECONDS)))


def _is_google() -> bool:
    """As `is_remote`, but for Beam on a runner of one's own, which those have who have no Google Cloud."""
    settings = get_settings()
    engine, *others = settings.runs_on
    return (engine.replace("beam", "local"), *others) != _LOCAL or not is_local(settings.root)


@lru_cache(maxsize=2)  # a triggerer looks at each job three times a minute
def connection_access(connection_id: str, project: str, moment: int) -> Access:
    """The credentials of an Airflow connection and the project to work in; where there is none of this name, the machine's own.

    Args:
        project: "" for the connection's.
        moment: for the same one nothing is read again.
    """
    from airflow.providers.google.common.hooks.base_google import GoogleBaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    try:
        hook = GoogleBaseHook(gcp_conn_id=connection_id)
    except AirflowNotFoundException:
        return Access(project=project)
    credentials, found = hook.get_credentials_and_project_id()
    return Access(credentials, project or found or "")
