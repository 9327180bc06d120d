"""Calls to Cloud TPU, each with a time-out and a bounded retry, and errors of one line."""

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from threadmill.cloud.credentials import current_access
from threadmill.errors import ConfigError, RemoteWorkError
from threadmill.training.remote.no_capacity import NoCapacityError

ENDPOINT = "THREADMILL_TPU_ENDPOINT"  # HOST:PORT of another server, spoken to without TLS

DELETING = "DELETING"  # a state

_TIMEOUT = 60.0  # seconds a call
_FIRST_WAIT, _LONGEST_WAIT, _RETRY_SECONDS = 0.5, 20.0, 180.0

_Answer = TypeVar("_Answer")
_import_lock = threading.Lock()


@contextmanager
def tpu_client() -> Iterator[Any]:
    """A `google.cloud.tpu_v2.TpuClient` with the credentials in use."""
    with _import_lock:  # two of the triggerer's threads at once would see half of it
        from google.cloud import tpu_v2
        from google.cloud.tpu_v2.services.tpu.transports import TpuGrpcTransport
    endpoint = os.environ.get(ENDPOINT, "")
    if endpoint:
        import grpc

        client = tpu_v2.TpuClient(transport=TpuGrpcTransport(channel=grpc.insecure_channel(endpoint)))
    else:
        client = tpu_v2.TpuClient(credentials=current_access().credentials)
    with client:
        yield client


def call(method: Callable[..., _Answer], what: str, **fields: Any) -> _Answer:
    """Calls a method of the client, again where the fault passes.

    Args:
        what: it is about, for errors.
        fields: of the request; ``timeout`` and ``retry`` are added.

    Raises:
        NotFound, Conflict: of google.api_core, for the caller.
        NoCapacityError: the quota does not allow it.
        ConfigError: it is not allowed, or the request is wrong.
        RemoteWorkError: the service does not answer well for minutes.
    """
    from google.api_core import exceptions

    try:
        return method(request=fields, timeout=_TIMEOUT, retry=_retry())
    except (exceptions.NotFound, exceptions.Conflict):
        raise
    except exceptions.TooManyRequests as error:
        raise NoCapacityError(f"{what}: {_line(error)}") from error
    except (exceptions.Forbidden, exceptions.Unauthorized) as error:
        raise ConfigError(
            f"{what}: {_line(error)}; enable tpu.googleapis.com and grant roles/tpu.admin to who runs it: see threadmill doctor"
        ) from error
    except exceptions.BadRequest as error:  # FailedPrecondition and OutOfRange are such, too
        raise ConfigError(f"{what}: {_line(error)}; see THREADMILL_TPU_TYPE, _RUNTIME and _ZONES: threadmill doctor") from error
    except (exceptions.GoogleAPIError, OSError) as error:
        raise RemoteWorkError(f"{what}: Cloud TPU does not answer ({_line(error)}); run it again") from error


def delete(name: str) -> bool:
    """Asks for the deletion of a queued resource with its node, whatever its state; True when it is gone.

    Raises:
        ConfigError, RemoteWorkError: as `call`.
    """
    from google.api_core.exceptions import Conflict, NotFound

    what = f"TPU {name.rsplit('/', 1)[1]}"
    with tpu_client() as client:
        try:
            if call(client.get_queued_resource, what, name=name).state.state.name != DELETING:
                call(client.delete_queued_resource, what, name=name, force=True)
        except NotFound:
            return True
        except Conflict:  # another deletion is under way
            return False
    return False


def _retry() -> Any:
    from google.api_core.retry import Retry

    return Retry(
        predicate=_passes,
        initial=_FIRST_WAIT,
        maximum=_LONGEST_WAIT,
        timeout=_RETRY_SECONDS,
    )


def _passes(error: Exception) -> bool:
    from google.api_core import exceptions

    if isinstance(error, exceptions.TooManyRequests):
        return "uota limit" not in str(error)  # quota is refused with the same code as too many calls
    passing = (
        exceptions.ServiceUnavailable,
        exceptions.InternalServerError,
        exceptions.BadGateway,
        exceptions.GatewayTimeout,  # DeadlineExceeded, too
    )
    return isinstance(error, passing)


def _line(error: Exception) -> str:
    cause = getattr(error, "cause", None) or error  # of a RetryError, what was met last
    return str(getattr(cause, "message", "") or cause).strip().splitlines()[0]
