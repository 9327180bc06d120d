"""A service whose jobs this process holds: a test says how each ends, and sees what was asked of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from threadmill.cloud.work import JobRecord, Look
from threadmill.errors import RemoteCancelledError, RemoteWorkError


@dataclass
class Job:
    """A job of the service."""

    looks_until_over: int = 2
    state: str = "RUNNING"
    lines: list[str] = field(default_factory=list)
    looks: int = 0


JOBS: dict[str, Job] = {}
FAULTS: list[Exception] = []


def look(handle: Mapping[str, Any]) -> Look:
    if FAULTS:
        raise FAULTS.pop(0)
    job = JOBS[handle["id"]]
    job.looks += 1
    if job.state == "RUNNING" and job.looks >= job.looks_until_over:
        job.state = "DONE"
    place = handle.get("place", 0)
    lines = tuple(job.lines[place:])
    return Look(job.state != "RUNNING", job.state, lines, {**handle, "place": place + len(lines)})


def outcome(handle: Mapping[str, Any]) -> JobRecord:
    state = JOBS[handle["id"]].state
    record = JobRecord("made", handle["id"], state, measures={"vcpu_hours": 0.5})
    if state == "DONE":
        return record
    failed = RemoteWorkError(f"job {handle['id']} failed; run it again")
    cancelled = RemoteCancelledError(f"job {handle['id']} was cancelled; clear the task to run it again")
    error = failed if state == "FAILED" else cancelled
    error.record = record
    raise error


def cancel(handle: Mapping[str, Any]) -> None:
    JOBS[handle["id"]].state = "CANCELLED"
