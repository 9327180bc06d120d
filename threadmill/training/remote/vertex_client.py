"""Calls to Vertex AI's custom jobs, each with a time-out and a bounded retry, and errors of one line."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from threadmill.cloud.credentials import current_access
from threadmill.errors import ConfigError, RemoteWorkError
from threadmill.settings import get_settings
from threadmill.training.remote.no_capacity import NoCapacityError

ENDPOINT = "THREADMILL_VERTEX_ENDPOINT"  # HOST:PORT of another server, spoken to without TLS

ACTIVE_STATES = frozenset(
    f"JOB_STATE_{state}" for state in ("UNSPECIFIED", "QUEUED", "PENDING", "RUNNING", "CANCELLING", "PAUSED", "UPDATING")
)

_TIMEOUT = 60.0  # seconds a call
_FIRST_WAIT, _LONGEST_WAIT, _RETRY_SECONDS = 0.5, 20.0, 180.0

_Answer = TypeVar("_Answer")


def parent() -> str:
    """Where the jobs are.

    Raises:
        ConfigError: no region is set.
    """
    region = get_settings().region
    if not region:
        raise ConfigError("no region is set for Vertex AI; set THREADMILL_REGION, that of the bucket, such as us-west4")
    return f"projects/{current_access().project}/locations/{region}"


@contextmanager
def vertex_client() -> Iterator[Any]:
    """A `google.cloud.aiplatform_v1.JobServiceClient` with the credentials in use."""
    from google.cloud import aiplatform_v1
    from google.cloud.aiplatform_v1.services.job_service.transports.grpc import JobServiceGrpcTransport

    endpoint = os.environ.get(ENDPOINT, "")
    if endpoint:
        import grpc

        client = aiplatform_v1.JobServiceClient(transport=JobServiceGrpcTransport(channel=grpc.insecure_channel(endpoint)))
    else:
        options = {"api_endpoint": f"{get_settings().region}-aiplatform.googleapis.com"}
        client = aiplatform_v1.JobServiceClient(credentials=current_access().credentials, client_options=options)
    with client:
        yield client


def call(method: Callable[..., _Answer], what: str, *, again: bool = True, **fields: Any) -> _Answer:
    """Calls a method of the client.

    Args:
        what: it is about, for errors.
        again: whether it may be called again where its answer was lost: not a creation, which would make a second job.

    Raises:
        NotFound: of google.api_core, for the caller.
        NoCapacityError: the quota does not allow it.
        ConfigError: it is not allowed, or the request is wrong.
        RemoteWorkError: the service does not answer well for minutes.
    """
    from google.api_core import exceptions

    try:
        return method(request=fields, timeout=_TIMEOUT, retry=_retry() if again else None)
    except exceptions.NotFound:
        raise
    except exceptions.TooManyRequests as error:
        raise NoCapacityError(f"{what}: {_line(error)}") from error
    except (exceptions.Forbidden, exceptions.Unauthorized) as error:
        raise ConfigError(
            f"{what}: {_line(error)}; enable aiplatform.googleapis.com and grant roles/aiplatform.user to who runs it"
        ) from error
    except exceptions.BadRequest as error:
        raise ConfigError(f"{what}: {_line(error)}; see THREADMILL_VERTEX_MACHINE_TYPE, _TOPOLOGY and _IMAGE") from error
    except (exceptions.GoogleAPIError, OSError) as error:
        raise RemoteWorkError(f"{what}: Vertex AI does not answer ({_line(error)}); run it again") from error


def find_job(name: str) -> Any:
    """The job of that display name, the oldest of several; None where there is none."""
    return next(iter(_jobs(name)), None)


def only_job(name: str) -> Any:
    """As `find_job`; the others, which two launchers at once or an answer that was lost have made, are cancelled."""
    found = _jobs(name)
    for twin in found[1:]:
        cancel_job(twin.name)
    return next(iter(found), None)


def _jobs(name: str) -> list[Any]:
    """Those of a display name, in the order in which they were made."""
    with vertex_client() as client:
        found = call(client.list_custom_jobs, f"Vertex AI job {name}", parent=parent(), filter=f'display_name="{name}"')
        return sorted((job for job in found if job.display_name == name), key=lambda job: (job.create_time, job.name))


def active_jobs() -> list[Any]:
    """The jobs with our labels that have not ended."""
    with vertex_client() as client:
        found = call(client.list_custom_jobs, "Vertex AI's jobs", parent=parent(), filter="labels.threadmill_dag:*")
        return [job for job in found if "threadmill_dag" in job.labels and job.state.name in ACTIVE_STATES]


def cancel_job(name: str) -> None:
    """Asks for a job's end; none, or one that has ended, is no error."""
    from google.api_core.exceptions import NotFound

    with vertex_client() as client:
        try:
            if call(client.get_custom_job, name, name=name).state.name in ACTIVE_STATES:
                call(client.cancel_custom_job, name, name=name)
        except NotFound:
            return


def _retry() -> Any:
    from google.api_core import exceptions
    from google.api_core.retry import Retry, if_exception_type

    passing = exceptions.ServiceUnavailable, exceptions.InternalServerError, exceptions.BadGateway, exceptions.GatewayTimeout
    predicate = if_exception_type(*passing, exceptions.TooManyRequests)
    return Retry(predicate=predicate, initial=_FIRST_WAIT, maximum=_LONGEST_WAIT, timeout=_RETRY_SECONDS)


def _line(error: Exception) -> str:
    cause = getattr(error, "cause", None) or error
    return str(getattr(cause, "message", "") or cause).strip().splitlines()[0]
