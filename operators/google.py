"""The credentials of an Airflow connection, for the library's calls to Google Cloud."""

from contextlib import AbstractContextManager, nullcontext

from threadmill.cloud.credentials import Access, use_access
from threadmill.datasets.storage import is_local
from threadmill.settings import get_settings

_LOCAL = ("local", "duckdb", "local")


def is_remote() -> bool:
    """Whether the settings send any work, or any dataset, to a remote service."""
    settings = get_settings()
    return settings.runs_on != _LOCAL or not is_local(settings.root)


def cloud_access() -> AbstractContextManager[None]:
    """Within the block the library calls Google Cloud as the connection says; nothing where no work and no dataset is there."""
    return use_access(connection_access(get_settings().connection)) if _is_google() else nullcontext()


def _is_google() -> bool:
    """As `is_remote`, but for Beam on a runner of one's own, which those have who have no Google Cloud."""
    settings = get_settings()
    engine, *others = settings.runs_on
    return (engine.replace("beam", "local"), *others) != _LOCAL or not is_local(settings.root)


def connection_access(connection_id: str) -> Access:
    """The credentials and the project of an Airflow connection; where there is none of this name, the machine's own."""
    from airflow.providers.google.common.hooks.base_google import GoogleBaseHook
    from airflow.sdk.exceptions import AirflowNotFoundException

    settings = get_settings()
    try:
        hook = GoogleBaseHook(gcp_conn_id=connection_id)
    except AirflowNotFoundException:
        return Access(project=settings.project)
    credentials, project = hook.get_credentials_and_project_id()
    return Access(credentials, settings.project or project or "")
