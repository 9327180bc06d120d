"""Dataflow's jobs over REST, with the credentials in use; each call ends in time, and is made again after faults that pass."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import requests.exceptions
from google.api_core import client_options, exceptions, retry
from google.api_core.timeout import ConstantTimeout
from google.auth import exceptions as auth_exceptions
from google.cloud import dataflow

from threadmill.cloud.credentials import current_access
from threadmill.cloud.passing import PASSING_ERRORS
from threadmill.errors import ConfigError, RemoteWorkError, ThreadmillError

ENDPOINT = "THREADMILL_DATAFLOW_ENDPOINT"  # of another server, such as http://localhost:8000
ACTIVE_STATES = frozenset(
    f"JOB_STATE_{state}"
    for state in (
        "UNKNOWN",  # not told: it may be at work
        "STOPPED",
        "PENDING",
        "QUEUED",
        "RUNNING",
        "DRAINING",
        "CANCELLING",
        "PAUSED",
        "RESOURCE_CLEANING_UP",
        "PAUSING",
    )
)

_CALL_SECONDS = 60.0
# For every call: creation is made repeatable by the request's id, which the service knows again.
_RETRY = retry.Retry(predicate=retry.if_exception_type(*PASSING_ERRORS), initial=0.5, maximum=30.0, multiplier=2.0, timeout=300.0)
PATIENCE = {"retry": _RETRY, "timeout": ConstantTimeout(_CALL_SECONDS)}  # type: ignore[no-untyped-call]

# What a refusal means, by its HTTP code.
_REMEDIES: dict[int, tuple[type[ThreadmillError], str]] = {
    400: (ConfigError, "mend what it names; THREADMILL_DATAFLOW_* and THREADMILL_REGION set it"),
    401: (ConfigError, "renew the credentials: `gcloud auth application-default login`, or the Airflow connection's key"),
    403: (
        ConfigError,
        "enable dataflow.googleapis.com, and grant the account roles/dataflow.developer, and roles/iam.serviceAccountUser on the "
        "workers' account",
    ),
    404: (ConfigError, "check THREADMILL_PROJECT and THREADMILL_REGION"),
}


def endpoint() -> str:
    """The address of the service where it is not Google's; "" where it is."""
    return os.environ.get(ENDPOINT, "").rstrip("/")


def open_client(kind: str) -> Any:
    """A client of one of the API's three services: Jobs, Messages or Metrics. Makes no call."""
    options = client_options.ClientOptions(api_endpoint=endpoint()) if endpoint() else None
    make = getattr(dataflow, f"{kind}V1Beta3Client")
    return make(credentials=current_access().credentials, transport="rest", client_options=options)


def find_job(project: str, region: str, name: str) -> Any:
    """The active job of a name, or else the newest that has ended, without its steps; None where there was never one."""
    request = dataflow.ListJobsRequest(project_id=project, location=region, name=name, view=dataflow.JobView.JOB_VIEW_SUMMARY)
    with explained(f"Dataflow job {name}"):
        jobs = [job for job in open_client("Jobs").list_jobs(request, **PATIENCE) if job.name == name]
    return max(jobs, key=lambda job: (job.current_state.name in ACTIVE_STATES, job.create_time), default=None)


def console_url(project: str, region: str, job_id: str) -> str:
    """The job's page."""
    return f"https://console.cloud.google.com/dataflow/jobs/{region}/{job_id}?project={project}"


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turns errors of calls, after their retries, into one line.

    Args:
        what: the job, for people.
    """
    try:
        yield
    except exceptions.RetryError as error:
        raise RemoteWorkError(f"{what}: Dataflow does not answer ({error.cause}); run it again") from error
    except exceptions.GoogleAPICallError as error:
        raise meaning(error, what) from error
    except (requests.exceptions.RequestException, ConnectionError, auth_exceptions.TransportError) as error:
        raise RemoteWorkError(f"{what}: Dataflow cannot be reached ({error}); run it again") from error
    except auth_exceptions.GoogleAuthError as error:
        raise ConfigError(f"{what}: {error}; {_REMEDIES[401][1]}") from error


def meaning(error: exceptions.GoogleAPICallError, what: str) -> ThreadmillError:
    """The error, in one line, that says what Dataflow refused, and what to do."""
    told = " ".join(str(error.message).split()).rstrip(".")
    kind, remedy = _REMEDIES.get(int(error.code or 0), (RemoteWorkError, "run it again"))
    return kind(f"{what}: {told}; {remedy}")
