"""The credentials and the project of all calls to Google Cloud: an operator's connection, or what the machine has (ADC)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from threadmill.errors import ConfigError
from threadmill.settings import get_settings

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)


@dataclass(frozen=True)
class Access:
    """How Google Cloud is called.

    Attributes:
        credentials: of google.auth; None for the machine's own.
        project: that jobs run in, and that is billed.
    """

    credentials: Any = field(default=None, repr=False)
    project: str = ""


_access: ContextVar[Access | None] = ContextVar("access", default=None)


@contextmanager
def use_access(access: Access) -> Iterator[None]:
    """Calls within the block use ``access``; threads started in it inherit nothing, so hand it on to them."""
    token = _access.set(access)
    try:
        yield
    finally:
        _access.reset(token)


def access_in_use() -> Access | None:
    """The access that `use_access` set in this context, to be handed on to other processes; None for the machine's own."""
    return _access.get()


def adopt_access(access: Access | None) -> None:
    """Uses ``access`` in this context from now on: a worker process, for the one that started it."""
    _access.set(access)


def current_access() -> Access:
    """The access of this context: the one in use, or the machine's application default credentials.

    Raises:
        ConfigError: the machine has none, or no project is set.
    """
    used = _access.get()
    if used is not None and used.credentials is not None and used.project:
        return used
    credentials = used.credentials if used is not None else None
    project = (used.project if used is not None else "") or get_settings().project
    if credentials is None:
        credentials, found = default_credentials()
        project = project or found
    if not project:
        raise ConfigError("no Google Cloud project is set; set THREADMILL_PROJECT")
    return Access(credentials, project)


def default_credentials() -> tuple[Any, str]:
    """Application default credentials, and their project ("" where they have none); anonymous ones beside emulators."""
    import google.auth
    from google.auth.credentials import AnonymousCredentials
    from google.auth.exceptions import DefaultCredentialsError

    if os.environ.get("STORAGE_EMULATOR_HOST") and not os.environ.get("GOOGLE_APPLICATION_CREDENTIALS"):
        return AnonymousCredentials(), ""  # type: ignore[no-untyped-call]
    try:
        credentials, project = google.auth.default(scopes=_SCOPES)
    except DefaultCredentialsError as error:
        raise ConfigError(
            f"there are no Google Cloud credentials ({str(error).splitlines()[0]}); run `gcloud auth application-default login`, "
            "or set the Airflow connection google_cloud_default"
        ) from error
    return credentials, project or ""
