"""Dataflow's jobs under way: look, outcome and cancel, by a handle alone; see `threadmill.cloud.work.Service`."""

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from google.api_core import exceptions
from google.cloud import dataflow

from threadmill.cloud.work import JobRecord, Look
from threadmill.datasets import storage
from threadmill.engine.beam.faults import worker_fault
from threadmill.engine.dataflow.client import ACTIVE_STATES, PATIENCE, console_url, explained, open_client
from threadmill.errors import RemoteCancelledError, RemoteWorkError, ThreadmillError

UNWELL = ("FAILED", "CANCELLED", "UPDATED")  # the states of jobs that did not end well

_SHOWN = dataflow.JobMessageImportance.JOB_MESSAGE_BASIC
_ERROR = dataflow.JobMessageImportance.JOB_MESSAGE_ERROR
_ERRORS = 3  # that tell of a failure

# Dataflow's measures of what a job used, ours and what makes one of the other:
# vCPU seconds, MB seconds, GB seconds, GB; https://cloud.google.com/dataflow/docs/guides/using-monitoring-intf
_USED = {
    "TotalVcpuTime": ("vcpu_hours", 3600),
    "TotalMemoryUsage": ("memory_gb_hours", 3600 * 1024),
    "TotalPdUsage": ("disk_gb_hours", 3600),
    "TotalSsdUsage": ("ssd_gb_hours", 3600),
    "BillableShuffleDataProcessed": ("shuffle_gb", 1),
}


def handle_of(project: str, region: str, job_id: str, name: str, *, ending: bool = False) -> dict[str, Any]:
    """What the functions here need to find a job again, and the place in its log.

    Args:
        ending: it was cancelled before anybody began to wait for it: to be cancelled is no failure of it.
    """
    return {"project": project, "region": region, "job": job_id, "name": name, "ending": ending, "since": "", "seen": []}


def look(handle: Mapping[str, Any]) -> Look:
    """Looks once: the state, and the messages since the last look. A job that is gone is over."""
    job = _find(handle)
    if job is None:
        return Look(True, "GONE")
    lines, handle = _new_messages(handle)
    state = job.current_state.name
    return Look(state not in ACTIVE_STATES, state.removeprefix("JOB_STATE_"), lines, handle)


def outcome(handle: Mapping[str, Any]) -> JobRecord:
    """What came of a job that is over, and what it used.

    Raises:
        RemoteWorkError: it failed, or is gone.
        RemoteCancelledError: somebody cancelled it.
        InputError, ConfigError: a worker raised what every other would. Each has the job's ``record``, unless it is gone.
    """
    what = f"Dataflow job {handle['name']} ({handle['job']})"
    job = _find(handle)
    if job is None:
        raise RemoteWorkError(f"{what} is gone from project {handle['project']}; run it again")
    _remove_staged(job)
    error = _failure(job, handle, what)
    if error is None or (handle.get("ending") and isinstance(error, RemoteCancelledError)):
        return record_of(job, handle)
    with suppress(ThreadmillError):  # that the statistics cannot be had must not hide how the job ended
        error.record = record_of(job, handle)
    raise error


def record_of(job: Any, handle: Mapping[str, Any]) -> JobRecord:
    """What a job that is over, well or not, has used.

    Raises:
        RemoteWorkError, ConfigError: its statistics cannot be had.
    """
    state, begun, ended = job.current_state.name.removeprefix("JOB_STATE_"), job.start_time, job.current_state_time
    return JobRecord("dataflow", str(handle["job"]), state, _time(begun), _time(ended), _measures(handle))


def cancel(handle: Mapping[str, Any]) -> None:
    """Asks for the job's end, which takes Dataflow minutes; its workers end with it."""
    request = dataflow.UpdateJobRequest(**_place(handle), job=dataflow.Job(requested_state=dataflow.JobState.JOB_STATE_CANCELLED))
    with explained(f"Dataflow job {handle['name']}"):
        try:
            open_client("Jobs").update_job(request, **PATIENCE)
        except (exceptions.NotFound, exceptions.FailedPrecondition):
            return
        except exceptions.BadRequest:
            job = _find(handle)
            if job is not None and job.current_state.name in ACTIVE_STATES:
                raise


def _find(handle: Mapping[str, Any]) -> Any:
    request = dataflow.GetJobRequest(**_place(handle), view=dataflow.JobView.JOB_VIEW_DESCRIPTION)
    with explained(f"Dataflow job {handle['name']}"):
        try:
            return open_client("Jobs").get_job(request, **PATIENCE)
        except exceptions.NotFound:
            return None


def _new_messages(handle: Mapping[str, Any]) -> tuple[tuple[str, ...], dict[str, Any]]:
    """The messages that the handle has not seen, as lines, and the handle that has seen them.

    Messages are asked for from a time on, which is that of the last one: those of that very time are told again.
    """
    messages = _messages(handle, _SHOWN, str(handle["since"]))
    fresh = [message for message in messages if message.id not in handle["seen"]]
    if not fresh:
        return (), dict(handle)
    last = max(message.time for message in messages)
    seen = [message.id for message in messages if message.time == last]
    lines = tuple(
        f"{message.message_importance.name.removeprefix('JOB_MESSAGE_').lower()}: {message.message_text}" for message in fresh
    )
    return lines, {**handle, "since": last.rfc3339(), "seen": seen}


def _messages(handle: Mapping[str, Any], importance: Any, since: str = "") -> list[Any]:
    request = dataflow.ListJobMessagesRequest(**_place(handle), minimum_importance=importance, start_time=since or None)
    with explained(f"Dataflow job {handle['name']}"):
        try:
            found = list(open_client("Messages").list_job_messages(request, **PATIENCE))
        except exceptions.NotFound:
            return []  # a job that is just made has none
    return sorted(found, key=lambda message: (message.time, message.id))


def _failure(job: Any, handle: Mapping[str, Any], what: str) -> ThreadmillError | None:
    """None for a job that ended well; for one that was drained, too, which has done a part: the receipts tell which."""
    state = job.current_state.name.removeprefix("JOB_STATE_")
    if state == "CANCELLED":
        return RemoteCancelledError(f"{what} was cancelled; run it again when it is wanted after all: {_url(handle)}")
    if state == "UPDATED":
        return RemoteWorkError(
            f"{what} was replaced by {job.replaced_by_job_id}, which is not ours; run it again: {_url(handle)}"
        )
    return _told_failure(handle, what) if state == "FAILED" else None


def _told_failure(handle: Mapping[str, Any], what: str) -> ThreadmillError:
    messages = [message.message_text for message in _messages(handle, _ERROR)]
    told = next((text for text in reversed(messages) if "Traceback" in text), "")
    if told:
        fault = worker_fault(told, what)
        return type(fault)(f"{fault}: {_url(handle)}")
    last = " | ".join(" ".join(text.split()) for text in messages[-_ERRORS:]) or "it left no error message"
    return RemoteWorkError(f"{what} failed: {last[:1000]}; run it again to do what is missing: {_url(handle)}")


def _measures(handle: Mapping[str, Any]) -> dict[str, float | str]:
    request = dataflow.GetJobMetricsRequest(**_place(handle))
    with explained(f"Dataflow job {handle['name']}"):
        metrics = open_client("Metrics").get_job_metrics(request, **PATIENCE).metrics
    found: dict[str, float | str] = {}
    for metric in metrics:
        name, context = metric.name.name, dict(metric.name.context)
        if "tentative" in context:  # counted by attempts that may have failed
            continue
        value = float(metric.scalar or 0)
        if name in _USED:
            measure, divisor = _USED[name]
            found[measure] = value / divisor
        elif metric.name.origin == "user" and context.get("namespace") == "threadmill":
            found[name] = value
    return found


def _remove_staged(job: Any) -> None:
    """What was staged for the job alone, in a folder that Beam named by the job and the time."""
    uri = job.environment.temp_storage_prefix.replace("storage.googleapis.com/", "gs://", 1)
    if uri.startswith("gs://") and storage.name_of(uri).startswith(f"{job.name}."):
        storage.remove_tree(uri)


def _place(handle: Mapping[str, Any]) -> dict[str, str]:
    return {"project_id": handle["project"], "location": handle["region"], "job_id": handle["job"]}


def _url(handle: Mapping[str, Any]) -> str:
    return console_url(handle["project"], handle["region"], handle["job"])


def _time(moment: Any) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else ""
