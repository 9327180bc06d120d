"""What BigQuery's errors mean: which pass by themselves, and a line with a remedy for each of the others.

The reasons, and which of them pass: https://cloud.google.com/bigquery/docs/error-messages
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests.exceptions
from google.api_core import exceptions, retry
from google.auth import exceptions as auth_exceptions

from threadmill.cloud.passing import PASSING_ERRORS
from threadmill.errors import ConfigError, InputError, RemoteCancelledError, RemoteWorkError, ThreadmillError

CALL_SECONDS = 60.0  # of one request
CANCELLED = "stopped"  # the reason of a job that somebody has cancelled
_PASSING = frozenset(
    [
        "backendError",
        "badGateway",
        "concurrentUpdate",
        "internalError",
        "jobBackendError",
        "jobInternalError",
        "jobRateLimitExceeded",
        "rateLimitExceeded",
        "tableUnavailable",
    ]
)
_REASON_OF_CODE = {401: "authError", 403: "accessDenied", 404: "notFound", 409: "duplicate", 412: "conditionNotMet"}

# The error of each reason that does not pass in seconds, and what helps.
_MEANINGS: dict[str, tuple[type[ThreadmillError], str]] = {
    "accessDenied": (
        ConfigError,
        "grant the account roles/bigquery.jobUser on the project, and roles/bigquery.dataEditor on its datasets",
    ),
    "authError": (ConfigError, "renew the credentials: `gcloud auth application-default login`, or the Airflow connection's key"),
    "billingNotEnabled": (ConfigError, "enable billing for the project, or set THREADMILL_PROJECT to another"),
    "bytesBilledLimitExceeded": (ConfigError, "raise THREADMILL_BIGQUERY_MAX_GB if the job is worth its price"),
    "notFound": (
        InputError,
        "check THREADMILL_PROJECT, the dataset's and the table's name, and THREADMILL_BIGQUERY_LOCATION",
    ),
    "invalidQuery": (
        InputError,
        "if a table's columns differ from what is read, name another table; else report it",
    ),
    "invalid": (InputError, "look at the job's errors on its page in the console"),
    "resourcesExceeded": (ConfigError, "take fewer months at a time, or more shards"),
    "responseTooLarge": (ConfigError, "take fewer months at a time"),
    "duplicate": (ConfigError, "delete what has this name, or choose another"),
    "quotaExceeded": (RemoteWorkError, "wait for ten minutes and more, or ask for more quota (IAM & Admin, Quotas)"),
    CANCELLED: (RemoteCancelledError, "run it again when it is wanted after all"),
    "timeout": (RemoteWorkError, "run it again"),
    "resourceInUse": (RemoteWorkError, "run it again when the other job is over"),
}


def reason_of_job(error: Mapping[str, Any]) -> str:
    """The reason of a job's error result; concurrentUpdate, which is ours, where BigQuery says invalidQuery of a statement that
    met another one's changes (https://cloud.google.com/bigquery/docs/data-manipulation-language#dml-limitations).
    """
    if "due to concurrent update" in str(error.get("message", "")):
        return "concurrentUpdate"
    return str(error.get("reason") or "unknown")


def passes(reason: str) -> bool:
    """True for a reason that a second try, seconds later, may not meet."""
    return reason in _PASSING


def _is_transient(error: BaseException) -> bool:
    return reason_of(error) in _PASSING or isinstance(error, PASSING_ERRORS)


def _is_transient_or_unseen(error: BaseException) -> bool:
    return isinstance(error, exceptions.NotFound) or _is_transient(error)


# Of every call; all of ours are idempotent, by their names.
RETRY = retry.Retry(predicate=_is_transient, initial=0.5, maximum=30.0, multiplier=2.0, timeout=300.0)
# Of a get after a 409: the job is there, though it may not be seen at once.
RETRY_UNSEEN = retry.Retry(predicate=_is_transient_or_unseen, initial=0.5, maximum=10.0, multiplier=2.0, timeout=60.0)


def reason_of(error: BaseException) -> str:
    """The reason that BigQuery gave with an error of a call; "" where it gave none."""
    errors = getattr(error, "errors", None) or []
    reason = errors[0].get("reason", "") if errors and isinstance(errors[0], dict) else ""
    return str(reason or _REASON_OF_CODE.get(getattr(error, "code", None) or 0, ""))


def meaning(reason: str, message: str, what: str) -> ThreadmillError:
    """The error, in one line, that says what happened to ``what``, and what to do."""
    told = " ".join((message or reason or "no reason given").split()).rstrip(".")
    if reason in _MEANINGS:
        kind, remedy = _MEANINGS[reason]
        return kind(f"{what}: {told} ({reason}); {remedy}")
    return RemoteWorkError(f"{what}: {told} ({reason or 'unknown'}); run it again; see its page in the console")


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turns errors of calls, after their retries, into one line.

    Args:
        what: is being done, such as "BigQuery, dataset p.threadmill".
    """
    try:
        yield
    except exceptions.RetryError as error:
        raise meaning("", f"{error.message}: {error.cause}", what) from error
    except exceptions.GoogleAPICallError as error:
        raise meaning(reason_of(error), str(error.message), what) from error
    except (requests.exceptions.RequestException, ConnectionError, auth_exceptions.TransportError) as error:
        raise RemoteWorkError(f"{what}: BigQuery cannot be reached ({error}); run it again") from error
    except auth_exceptions.GoogleAuthError as error:
        raise meaning("authError", str(error), what) from error
