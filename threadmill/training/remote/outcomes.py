"""How an attempt's end is told to its run: a record of what it used, and where it failed, the host's own error."""

from collections.abc import Mapping
from typing import Any

from threadmill import errors
from threadmill.cloud.work import JobRecord, write_record
from threadmill.errors import PreemptedError, RemoteCancelledError, RemoteWorkError, ThreadmillError
from threadmill.training.remote.attempts import (
    CANCELLED,
    FAILED,
    FINISHED,
    NO_CAPACITY,
    PREEMPTED,
    AttemptFolder,
    End,
    HostStatus,
    seconds_since,
)
from threadmill.training.remote.no_capacity import no_capacity_message

TIMED_OUT = 124  # the exit code of timeout(1)

# The errors of a host that the same call meets again. Others pass: a full bucket, a process out of memory.
_PERMANENT = frozenset({"ConfigError", "InputError", "IntegrityError", "GateError", "DivergenceError"})


def end_of_status(status: HostStatus, place: str) -> End:
    """How an attempt ended whose host has said its last word."""
    if status.exit_code == 0:
        return End(FINISHED, place=place, exit_code=0)
    cause = PREEMPTED if status.exit_code == PreemptedError.exit_code else FAILED
    message = status.error or f"the host ended with exit code {status.exit_code}" + _told_tail(status)
    return End(cause, message, status.error_kind, place, exit_code=status.exit_code)


def record_end(kind: str, name: str, handle: Mapping[str, Any], folder: AttemptFolder, end: End) -> JobRecord:
    """What the attempt used, from when its accelerator was active to its end."""
    since = folder.active_since
    hours = max(0.0, seconds_since(since) - seconds_since(end.time)) / 3600 if since else 0.0
    measures: dict[str, float | str] = {
        "chip_hours": round(hours * handle["chips"], 4),
        "tpu_type": handle["tpu_type"],
        "zone": end.place,
        "spot": str(handle["spot"]).lower(),
        "attempt": float(handle["number"]),
    }
    return JobRecord(kind, name, end.cause, since, end.time, measures)


def told_outcome(kind: str, handle: Mapping[str, Any]) -> JobRecord:
    """How the attempt ended; one whose TPU was taken away, or that found none, is a record, too: the run goes on with another.

    Raises:
        RemoteWorkError: the host failed; or no place has capacity.
        RemoteCancelledError: somebody deleted the accelerator.
        ConfigError, InputError, ...: what the host raised, where a retry cannot mend it.
    """
    folder = AttemptFolder(handle["folder"])
    end = folder.end
    if end is None:
        raise RemoteWorkError(f"{handle['name']} has not ended yet; look at it again")
    record = record_end(kind, handle["name"].rsplit("/", 1)[1], handle, folder, end)
    _tell(handle, folder, end, record)
    return record


def note_cancelled(kind: str, handle: Mapping[str, Any]) -> None:
    """Notes that the attempt ended with its task, to which nothing is told any more, and what it used until then."""
    folder = AttemptFolder(handle["folder"])
    end = folder.note_end(End(CANCELLED, "the task was ended", place=handle["place"]))
    if folder.active_since and not folder.told:
        write_record(handle["output"], record_end(kind, handle["name"].rsplit("/", 1)[1], handle, folder, end))
    folder.note_told()


def _tell(handle: Mapping[str, Any], folder: AttemptFolder, end: End, record: JobRecord) -> None:
    """Notes that the end is told, and tells it.

    Raises:
        RemoteWorkError, RemoteCancelledError, ConfigError, ...: see `threadmill.cloud.work.Service.outcome`.
    """
    error = _error(handle, folder, end)
    if error is not None:  # who raises returns no record: its costs are kept nevertheless
        write_record(handle["output"], record)
    folder.note_told()
    if error is not None:
        raise error


def _error(handle: Mapping[str, Any], folder: AttemptFolder, end: End) -> ThreadmillError | None:
    where = f"attempt {handle['number']} in {end.place}"
    if end.cause == CANCELLED:
        return RemoteCancelledError(f"{where}: {end.message}; run it again to go on from the last checkpoint")
    if end.cause == NO_CAPACITY and handle["is_last_place"]:
        return RemoteWorkError(no_capacity_message(end.message, end.place))
    if end.cause != FAILED:
        return None
    if end.error_kind in _PERMANENT:
        kind: type[ThreadmillError] = getattr(errors, end.error_kind)
        return kind(f"{end.message} ({where})")
    return RemoteWorkError(
        f"{where} failed: {end.message}; run it again to go on from the last checkpoint; its log is {folder.log_uri}"
    )


def _told_tail(status: HostStatus) -> str:
    last = next((line for line in reversed(status.tail) if line.strip()), "")
    return f" ({last.strip()})" if last else ""
