"""Calls to Cloud Storage: this process's client, what is tried again and how long, and each error as one line with its remedy."""

import contextvars
import errno
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import requests
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.cloud.storage import Blob, Client
from google.cloud.storage.exceptions import DataCorruption, InvalidResponse
from google.cloud.storage.retry import DEFAULT_RETRY

from threadmill.cloud.credentials import access_in_use, default_credentials
from threadmill.errors import ConfigError, RemoteWorkError, ThreadmillError, TransferError
from threadmill.settings import get_settings

# What is documented as transient (https://cloud.google.com/storage/docs/retry-strategy): 408, 429, 5xx, connections that break.
RETRY = DEFAULT_RETRY.with_delay(initial=0.5, maximum=30.0, multiplier=2.0).with_timeout(300.0)
TIMEOUT = (10.0, 60.0)  # seconds to connect, and between two bytes
_THREADS = 16
_CONNECTIONS = 64
_CLIENTS = 8
_PARALLEL = "cloud-storage-parallel"

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")

_lock = threading.Lock()
_clients: dict[tuple[int, str, int], tuple[Client, Any]] = {}
_pools: dict[tuple[int, str], ThreadPoolExecutor] = {}


def client() -> Client:
    """The client of this process for the credentials in use; a forked child makes its own."""
    used = access_in_use()
    credentials = used.credentials if used else None
    key = (os.getpid(), os.environ.get("STORAGE_EMULATOR_HOST", ""), id(credentials))
    with _lock:
        # The credentials are kept, so that no others get their id.
        found = _clients.pop(key, None) or (_new_client(credentials, used.project if used else ""), credentials)
        _clients[key] = found  # the newest last
        while len(_clients) > _CLIENTS:  # a triggerer has new credentials all the time, and each client holds connections
            _clients.pop(next(iter(_clients)))[0]._http.close()  # those that are idle; what is under way ends by itself
        return found[0]


def _new_client(credentials: Any, project: str) -> Client:
    credentials = credentials or default_credentials()[0]
    made = Client(project=project or get_settings().project or None, credentials=credentials)
    adapter = requests.adapters.HTTPAdapter(pool_connections=4, pool_maxsize=_CONNECTIONS)
    for scheme in ("https://", "http://"):
        made._http.mount(scheme, adapter)  # as Google's samples do for many connections
    return made


def blob(uri: str) -> Blob:
    """The (possible) object at ``uri``, for its methods."""
    bucket, name = split(uri)
    if not name:
        raise ConfigError(f"{uri} names a bucket and no object; add a folder or a file to it")
    return client().bucket(bucket).blob(name)


def split(uri: str) -> tuple[str, str]:
    """Bucket and object name of gs://BUCKET/OBJECT."""
    bucket, _, name = uri.removeprefix("gs://").partition("/")
    if not bucket:
        raise ConfigError(f"{uri} names no bucket; write gs://BUCKET/FOLDER")
    return bucket, name.rstrip("/")


def in_parallel(function: Callable[[_Item], _Result], items: Iterable[_Item]) -> list[_Result]:
    """``function`` of each item, in threads, in the items' order; with the caller's credentials."""
    listed = list(items)
    if len(listed) <= 1 or threading.current_thread().name.startswith(_PARALLEL):  # threads that wait for threads would lock
        return [function(item) for item in listed]
    contexts = [contextvars.copy_context() for _ in listed]
    return list(_pool(_PARALLEL).map(lambda context, item: context.run(function, item), contexts, listed))


def in_background(function: Callable[[], _Result]) -> "Future[_Result]":
    """``function``, which waits for no other, in a thread, with the caller's credentials."""
    return _pool("cloud-storage-ahead").submit(contextvars.copy_context().run, function)


def _pool(name: str) -> ThreadPoolExecutor:
    key = (os.getpid(), name)
    with _lock:
        if key not in _pools:
            _pools[key] = ThreadPoolExecutor(_THREADS, thread_name_prefix=name)
        return _pools[key]


@contextmanager
def one_line_errors(uri: str) -> Iterator[None]:
    """Turns the client's errors on ``uri`` into ours, but for a precondition that did not hold.

    Raises:
        FileNotFoundError: no such object.
        ConfigError: credentials, a permission or the bucket is missing.
        TransferError: bytes arrived damaged.
        RemoteWorkError: Cloud Storage does not answer, or refuses for now.
    """
    try:
        yield
    except (api.PreconditionFailed, ThreadmillError):
        raise
    except _FAULTS as error:
        raise _translated(error, uri) from error


_FAULTS = (
    api.GoogleAPIError,
    auth.GoogleAuthError,
    requests.RequestException,
    InvalidResponse,
    DataCorruption,
    ConnectionError,
)


def _translated(error: Exception, uri: str) -> Exception:
    reason = first_line(error)
    bucket = split(uri)[0]
    if isinstance(error, DataCorruption) or is_damage(error):
        return TransferError(f"{uri}: its bytes arrived damaged ({reason}); run it again")
    if isinstance(error, api.NotFound):
        if not is_bucket_missing(error):
            return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), uri)
        return ConfigError(
            f"{uri}: the bucket {bucket} does not exist; make it with "
            f"`gcloud storage buckets create gs://{bucket} --location={get_settings().region or 'REGION'}`, or name another"
        )
    if isinstance(error, api.Unauthorized | auth.RefreshError | auth.DefaultCredentialsError):
        return ConfigError(
            f"{uri}: the credentials are not accepted ({reason}); run `gcloud auth application-default login`, "
            f"or mend the Airflow connection {get_settings().connection}"
        )
    if isinstance(error, api.Forbidden) and not _is_quota(reason):
        return ConfigError(
            f"{uri}: Cloud Storage refuses ({reason}); grant the right with `gcloud storage buckets add-iam-policy-binding "
            f"gs://{bucket} --member=serviceAccount:ACCOUNT --role=roles/storage.objectUser`"
        )
    if isinstance(error, api.ClientError) and not isinstance(error, api.TooManyRequests | api.Forbidden):
        return ConfigError(f"{uri}: Cloud Storage refuses the call ({reason}); check the name and the bucket's settings")
    return RemoteWorkError(f"{uri}: Cloud Storage does not serve it now ({reason}); run it again to go on from there")


def is_bucket_missing(error: Exception) -> bool:
    """True where it is not the object but its bucket that is not there."""
    return isinstance(error, api.NotFound) and "bucket does not exist" in str(error)


def is_damage(error: Exception) -> bool:
    """True where an upload was refused because its checksum did not fit."""
    return isinstance(error, api.BadRequest) and any(word in str(error).lower() for word in ("crc32c", "md5", "checksum"))


def _is_quota(reason: str) -> bool:
    return any(word in reason.lower() for word in ("quota", "ratelimit", "rate limit"))


def first_line(error: Exception) -> str:
    """What the service said, in one line."""
    cause = getattr(error, "cause", None) or error  # of a RetryError
    response: Any = getattr(cause, "response", None)
    with suppress(ValueError, KeyError, TypeError, AttributeError, RuntimeError):  # RuntimeError: its body is consumed
        return f"{response.status_code} {response.json()['error']['message']}".splitlines()[0]
    text = str(getattr(cause, "message", None) or cause) or type(cause).__name__
    return text.strip().splitlines()[0][:300]
