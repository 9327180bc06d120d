"""Sees to the receipts of tasks through a Dataflow job, whose name follows from the run: an active one is adopted."""

import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson

from threadmill.cloud.credentials import current_access
from threadmill.cloud.work import Waiting, record_uri, write_record
from threadmill.datasets import storage
from threadmill.datasets.digest import canonical_json
from threadmill.datasets.lock import writer_lock
from threadmill.engine.beam.pipeline import build
from threadmill.engine.dataflow import service
from threadmill.engine.dataflow.client import ACTIVE_STATES, console_url, explained, find_job
from threadmill.engine.dataflow.options import check_settings, dataflow_options
from threadmill.engine.dataflow.submission import submit
from threadmill.engine.phases import StageRun
from threadmill.engine.receipts import collect_receipts, mark_unfinished
from threadmill.engine.stage import MapStage, Task
from threadmill.errors import ConfigError, RemoteWorkError
from threadmill.settings import get_settings

log = logging.getLogger(__name__)

_CANCELLING = "JOB_STATE_CANCELLING"  # for minutes: such as of a task that was cleared, which begins again at once
_THREADS = 1  # of a task: a process a core is Dataflow's way


def task_steps(stage: MapStage, tasks: Sequence[Task], run: StageRun) -> Iterator[Waiting]:
    """Does the tasks that have no receipt in the run's output; yields the job while it is active.

    Raises:
        ConfigError: the settings of Dataflow are of no use, or the output or an input is on this machine.
        RemoteWorkError: Dataflow does not answer; or a job is done, but has left some tasks without a result.
    """
    check_settings(get_settings(), run.uri)
    _refuse_local_inputs(stage, run)
    waiting = _found_or_submitted(stage, tasks, run)
    while waiting is not None:
        yield waiting
        waiting = _found_or_submitted(stage, tasks, run) if waiting.handle["ending"] else None


def _found_or_submitted(stage: MapStage, tasks: Sequence[Task], run: StageRun) -> Waiting | None:
    """The active job, or one for what is missing; None where nothing is."""
    project, region = current_access().project, get_settings().region
    name, ending = run.site.identity.name(run.key, stage.name), False
    with writer_lock(run.uri):
        job = find_job(project, region, name)
        if job is not None and job.current_state.name in ACTIVE_STATES:
            ending = job.current_state.name == _CANCELLING
            log.info("%s: %s the Dataflow job %s (%s)", stage.name, "awaiting the end of" if ending else "adopting", job.id, name)
            job_id = job.id
        else:
            done = collect_receipts(run.uri, run.key)
            pending = [task for task in tasks if task.name not in done]
            if job is not None:
                _refuse_incomplete(run.uri, job.id, pending)
                _note(run.uri, job, service.handle_of(project, region, job.id, name))
            if not pending:
                return None
            run.site.before_start()
            mark_unfinished(run.uri)
            log.info("%s: %d tasks on Dataflow as %s, %d done before", stage.name, len(pending), name, len(done))
            job_id = _submit(stage, pending, run, name)
    return Waiting(
        "dataflow",
        service.handle_of(project, region, job_id, name, ending=ending),
        f"Dataflow job {name} ({stage.name})",
        run.uri,
        console_url(project, region, job_id),
    )


def _submit(stage: MapStage, tasks: Sequence[Task], run: StageRun, name: str) -> str:
    def fill(pipeline: Any) -> None:
        build(pipeline, stage, tasks, run.uri, run.key, _THREADS)

    with tempfile.TemporaryDirectory() as folder, explained(f"{stage.name}: Dataflow job {name}"):
        return submit(dataflow_options(run.uri, name, run.site.identity, Path(folder)), fill)


def _refuse_local_inputs(stage: MapStage, run: StageRun) -> None:
    for entry in run.plan.inputs:
        if entry.uri and storage.is_local(entry.uri):
            raise ConfigError(
                f"{stage.name}: {entry.uri} is on this machine, where Dataflow's workers cannot read it; copy it to Cloud "
                "Storage (`gcloud storage cp -r`), or set THREADMILL_ENGINE=local"
            )


def _note(uri: str, job: Any, handle: Mapping[str, Any]) -> None:
    """Notes what a job used that nobody settled: its launcher was killed, or the job was cancelled with its task."""
    if not storage.exists(record_uri(uri, "dataflow", job.id)):
        write_record(uri, service.record_of(job, handle))


def _refuse_incomplete(uri: str, job_id: str, pending: Sequence[Task]) -> None:
    """Where a job has ended well and yet left tasks without a result, this try fails; the next does what is missing."""
    path = record_uri(uri, "dataflow", job_id)
    if not pending or not storage.exists(path):
        return
    record = orjson.loads(storage.read_bytes(path))
    if record["state"] in service.UNWELL or "tasks_missing" in record["measures"]:
        return
    record["measures"]["tasks_missing"] = len(pending)
    storage.write_bytes(path, canonical_json(record))
    raise RemoteWorkError(
        f"Dataflow job {job_id} is {record['state']}, but {len(pending)} of its tasks have left no result in {uri} "
        f"(such as {pending[0].name}); run it again to do these"
    )
