"""BigQuery's jobs under way: look, outcome and cancel, by a handle alone; see `threadmill.cloud.work.Service`."""

from collections.abc import Mapping
from typing import Any

from google.api_core import exceptions
from google.cloud import bigquery

from threadmill.cloud.work import JobRecord, Look
from threadmill.errors import RemoteWorkError
from threadmill.warehouse.bigquery.client import open_client
from threadmill.warehouse.bigquery.faults import CALL_SECONDS, CANCELLED, RETRY, explained, meaning, passes, reason_of_job

ATTEMPTS = 4  # of one statement, each after a fault that passes, before its task is told to fail
_MILLISECONDS_AN_HOUR = 3_600_000


def handle_of(job: Any, name: str, attempt: int, *, adopted: bool) -> dict[str, Any]:
    """What the functions here need to find a job again.

    Args:
        name: its name in the run.
        attempt: which try of the same statement it is, from 0.
        adopted: whether somebody else has started it, such as the same task before it was cleared, who may be cancelling it.
    """
    return {
        "project": job.project,
        "location": job.location,
        "job": job.job_id,
        "name": name,
        "attempt": attempt,
        "adopted": adopted,
    }


def look(handle: Mapping[str, Any]) -> Look:
    """Looks once. A job that is gone is over."""
    job = _find(handle)
    if job is None:
        return Look(True, "GONE")
    return Look(job.state == "DONE", str(job.state))


def outcome(handle: Mapping[str, Any]) -> JobRecord:
    """What came of a job that is over.

    One that failed of a fault that passes, or was adopted and then cancelled, is told by its ``state`` FAILED, and no error: its
    next attempt follows. Only the last of every `ATTEMPTS` raises.

    Raises:
        RemoteWorkError, RemoteCancelledError, InputError, ConfigError: see `threadmill.warehouse.bigquery.faults`; with the
            job's ``record``, unless it is gone.
    """
    job = _find(handle)
    if job is None:
        raise RemoteWorkError(f"BigQuery job {handle['job']} is gone from project {handle['project']}; run it again")
    reason = failure(job)
    is_followed = passes(reason) or (handle.get("adopted") and reason == CANCELLED)
    if reason and not (is_followed and (handle["attempt"] + 1) % ATTEMPTS):
        error = meaning(reason, job.error_result.get("message", ""), _name(handle))
        error.record = record_of(job)
        raise error
    return record_of(job)


def record_of(job: Any) -> JobRecord:
    """What a job that is over, well or not, has used."""
    state = "FAILED" if failure(job) else "DONE"
    return JobRecord("bigquery", job.job_id, state, _time(job.started), _time(job.ended), measures(job))


def cancel(handle: Mapping[str, Any]) -> None:
    """Asks for the job's end; its tables expire by themselves."""
    with explained(_name(handle)):
        try:
            open_client().cancel_job(
                handle["job"], project=handle["project"], location=handle["location"], retry=RETRY, timeout=CALL_SECONDS
            )
        except exceptions.NotFound:
            return


def failure(job: Any) -> str:
    """The reason why a job that is over failed; "" where it did not."""
    return reason_of_job(job.error_result) if job.error_result else ""


def measures(job: Any) -> dict[str, float | str]:
    """What a job used: bytes_processed, bytes_billed and slot_hours of a query; bytes and rows of a load, which is free."""
    if isinstance(job, bigquery.LoadJob):
        return {"bytes_loaded": job.output_bytes or 0, "rows_loaded": job.output_rows or 0}
    return {
        "bytes_processed": job.total_bytes_processed or 0,
        "bytes_billed": job.total_bytes_billed or 0,
        "slot_hours": (job.slot_millis or 0) / _MILLISECONDS_AN_HOUR,
    }


def _find(handle: Mapping[str, Any]) -> Any:
    with explained(_name(handle)):
        try:
            return open_client().get_job(
                handle["job"], project=handle["project"], location=handle["location"], retry=RETRY, timeout=CALL_SECONDS
            )
        except exceptions.NotFound:
            return None


def _name(handle: Mapping[str, Any]) -> str:
    return f"BigQuery job {handle['job']} ({handle['name']})"


def _time(moment: Any) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""
