"""Looks after a custom job of Vertex AI: decides how its attempt ended, and tells of it. A job that has ended costs nothing."""

from collections.abc import Mapping
from typing import Any

from threadmill.cloud.work import JobRecord, Look
from threadmill.errors import PreemptedError
from threadmill.training.remote.attempts import CANCELLED, FAILED, FINISHED, NO_CAPACITY, PREEMPTED, AttemptFolder, End
from threadmill.training.remote.outcomes import end_of_status, note_cancelled, told_outcome
from threadmill.training.remote.vertex_client import ACTIVE_STATES, call, cancel_job, vertex_client

_NO_CAPACITY_CODES = frozenset({8, 14})  # google.rpc.Code: RESOURCE_EXHAUSTED, UNAVAILABLE
_PREEMPTION_WORDS = ("preempt", "spot")
_GONE = "GONE"
_CANCELLED = ("JOB_STATE_CANCELLED", _GONE)


def look(handle: Mapping[str, Any]) -> Look:
    """Looks once.

    Raises:
        RemoteWorkError: the service or the bucket does not answer.
    """
    folder = AttemptFolder(handle["folder"])
    if (end := folder.end) is not None:
        return Look(True, end.cause)
    state, code, message = _see(handle["name"])
    if state not in ACTIVE_STATES:
        status = folder.status  # first what the host says, then the state
        if status is None or (status.exit_code == PreemptedError.exit_code and state in _CANCELLED):
            found = end_of_state(state, code, message, handle["place"])  # a host does not know who asked it to leave
        else:
            found = end_of_status(status, handle["place"])
        end = folder.note_end(found)
        return Look(True, end.cause, (f"{end.cause} in {end.place}" + (f": {end.message}" if end.message else ""),))
    line = f"{state} in {handle['place']}"
    if state == "JOB_STATE_RUNNING":
        folder.note_active()
        heartbeat = folder.heartbeat
        line = heartbeat.line if heartbeat else line
    return Look(False, state, (line,) if line != handle["told"] else (), {**handle, "told": line})


def outcome(handle: Mapping[str, Any]) -> JobRecord:
    """See `threadmill.training.remote.outcomes.told_outcome`."""
    return told_outcome("vertex", handle)


def cancel(handle: Mapping[str, Any]) -> None:
    """Cancels the job; a later try of the task begins another attempt."""
    cancel_job(handle["name"])
    note_cancelled("vertex", handle)


def end_of_state(state: str, code: int, message: str, place: str) -> End:
    """How an attempt ended by the state of its job alone: its host did not come to tell."""
    if state == "JOB_STATE_SUCCEEDED":
        return End(FINISHED, place=place)
    if state in _CANCELLED:
        return End(CANCELLED, "the job was cancelled or deleted by somebody else", place=place)
    if state == "JOB_STATE_EXPIRED" or code in _NO_CAPACITY_CODES:
        return End(NO_CAPACITY, message or "the job waited in vain", place=place)
    if any(word in message.lower() for word in _PREEMPTION_WORDS):
        return End(PREEMPTED, message, place=place)
    return End(FAILED, message or f"the job ended as {state}", place=place)


def _see(name: str) -> tuple[str, int, str]:
    """The state of a job, and the code and message of its error."""
    from google.api_core.exceptions import NotFound

    with vertex_client() as client:
        try:
            job = call(client.get_custom_job, f"Vertex AI job {name}", name=name)
        except NotFound:
            return _GONE, 0, ""
        return job.state.name, job.error.code, job.error.message
