"""Waiting in the triggerer: the trigger's arguments and events, cancellation, and an operator that is deferred for real."""

import asyncio
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from airflow.triggers.base import TriggerEvent

from operators.base import StageOperator
from operators.remote_work import RemoteWorkTrigger
from tests.engine.stages import NumbersStage
from tests.operators import made_service
from tests.operators.contexts import context
from tests.operators.dag_files import dag_of
from threadmill.cloud import work
from threadmill.cloud.stopping import cancelled_at_stop
from threadmill.cloud.work import JOBS, Waiting
from threadmill.datasets.manifest import read_manifest
from threadmill.engine.phases import Phase, StageRun, TasksPhase
from threadmill.engine.stage import Stage
from threadmill.errors import RemoteWorkError

WAITING = Waiting("made", {"id": "job-1"}, "job job-1", "out", "https://console/job-1", seconds=0.01)


@pytest.fixture(autouse=True)
def service(monkeypatch: pytest.MonkeyPatch) -> None:
    """The service of `made_service`, empty."""
    monkeypatch.setitem(work._SERVICES, "made", "tests.operators.made_service")
    made_service.JOBS.clear()
    made_service.FAULTS.clear()


@dataclass(frozen=True)
class RemotePhase(Phase):
    """A job of the made service, which is started once and then found by its name."""

    run: StageRun

    def steps(self) -> Iterator[Waiting]:
        job = made_service.JOBS.get("numbers")
        if job is None or job.state == "FAILED":
            made_service.JOBS["numbers"] = made_service.Job(lines=["worker started"])
            job = made_service.JOBS["numbers"]
        if job.state == "RUNNING":
            yield Waiting("made", {"id": "numbers"}, "job numbers", self.run.uri, seconds=0.01)


class RemoteNumbers(NumbersStage):
    """Numbers that wait for the made service before they are written here."""

    def phases(self, run: StageRun) -> Sequence[Phase]:
        return RemotePhase(run), TasksPhase(self, run.plan.tasks, run)


class NumbersOperator(StageOperator):
    def __init__(self, *, stage: Stage, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.stage = stage

    def make_stage(self, context: Context) -> Stage:
        return self.stage


def numbers(root: Path, tmp_path: Path, **kwargs: Any) -> NumbersOperator:
    control = tmp_path / "control"
    control.mkdir()
    return NumbersOperator(task_id="numbers", uri=str(root / "numbers"), stage=RemoteNumbers(str(control)), **kwargs)


def event_of(trigger: RemoteWorkTrigger) -> dict[str, Any]:
    async def first() -> TriggerEvent:
        async for event in trigger.run():
            return event
        raise AssertionError("no event")

    payload: dict[str, Any] = asyncio.run(first()).payload
    return payload


def test_a_trigger_is_the_same_after_its_arguments_went_through_json() -> None:
    name, arguments = RemoteWorkTrigger(WAITING.to_json()).serialize()
    module, _, kind = name.rpartition(".")

    assert (module, kind) == (RemoteWorkTrigger.__module__, RemoteWorkTrigger.__name__)
    again = RemoteWorkTrigger(**json.loads(json.dumps(arguments)))
    assert again.serialize() == (name, arguments)
    assert Waiting(**again.waiting) == WAITING


def test_the_event_says_that_the_work_is_over_and_the_log_has_each_line_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RemoteWorkTrigger, "log", logging.getLogger("trigger"))
    made_service.JOBS["job-1"] = made_service.Job(looks_until_over=3, lines=["a worker started"])
    trigger = RemoteWorkTrigger(WAITING.to_json())
    with caplog.at_level("INFO"):
        assert event_of(trigger) == {"waiting": WAITING.to_json(), "fault": ""}
    assert made_service.JOBS["job-1"].looks == 3
    assert [record.getMessage() for record in caplog.records].count("made: a worker started") == 1


def test_looks_that_fail_are_repeated() -> None:
    made_service.JOBS["job-1"] = made_service.Job(looks_until_over=1)
    made_service.FAULTS.extend([RemoteWorkError("503"), OSError("connection reset")])
    assert event_of(RemoteWorkTrigger(WAITING.to_json()))["fault"] == ""


def test_looks_that_never_succeed_end_with_the_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("operators.remote_work.MOST_FAULTS", 2)
    made_service.FAULTS.extend([RemoteWorkError("503: down")] * 3)
    assert event_of(RemoteWorkTrigger(WAITING.to_json())) == {"waiting": WAITING.to_json(), "fault": "503: down"}


def test_a_user_who_ends_a_deferred_task_cancels_the_job() -> None:
    made_service.JOBS["job-1"] = made_service.Job()
    asyncio.run(RemoteWorkTrigger(WAITING.to_json()).on_kill())
    assert made_service.JOBS["job-1"].state == "CANCELLED"


def test_all_that_is_under_way_is_cancelled_together(tmp_path: Path) -> None:
    made_service.JOBS.update({name: made_service.Job() for name in ("job-1", "job-2", "job-3")})
    waiting = replace(WAITING, beside=[{"id": "job-2"}, {"id": "job-3"}])
    asyncio.run(RemoteWorkTrigger(json.loads(json.dumps(waiting.to_json()))).on_kill())
    assert [job.state for job in made_service.JOBS.values()] == ["CANCELLED"] * 3


def test_a_task_that_waits_itself_cancels_that_when_it_is_killed(root: Path, tmp_path: Path) -> None:
    cancelled: list[str] = []
    with cancelled_at_stop("a job on Flink", lambda: cancelled.append("job")):
        numbers(root, tmp_path).on_kill()
    assert cancelled == ["job"]


def test_an_operator_defers_and_goes_on_when_the_work_is_over(root: Path, tmp_path: Path) -> None:
    task = numbers(root, tmp_path)
    with pytest.raises(TaskDeferred) as deferral:
        task.execute(context())
    assert deferral.value.method_name == "resume"
    assert not list((root / "numbers").glob("*.txt"))

    event = event_of(deferral.value.trigger)  # type: ignore[arg-type]
    assert task.resume(context(), event) == str(root / "numbers")

    manifest = read_manifest(str(root / "numbers"))
    assert [(job["kind"], job["id"], job["measures"]) for job in manifest.jobs] == [("made", "numbers", {"vcpu_hours": 0.5})]
    assert not (root / "numbers" / JOBS).exists()
    assert len(made_service.JOBS) == 1


def test_a_retry_finds_the_job_that_the_first_try_started(root: Path, tmp_path: Path) -> None:
    task = numbers(root, tmp_path)
    for _ in range(2):
        with pytest.raises(TaskDeferred):
            task.execute(context())
    assert list(made_service.JOBS) == ["numbers"]


def test_a_job_that_failed_is_retried_and_one_that_was_cancelled_is_not(root: Path, tmp_path: Path) -> None:
    task = numbers(root, tmp_path)
    with pytest.raises(TaskDeferred) as deferral:
        task.execute(context())
    event = {"waiting": deferral.value.trigger.waiting, "fault": ""}  # type: ignore[union-attr]
    made_service.JOBS["numbers"].state = "FAILED"
    with pytest.raises(RemoteWorkError, match="failed"):
        task.resume(context(), event)
    made_service.JOBS["numbers"].state = "CANCELLED"
    with pytest.raises(AirflowFailException, match="was cancelled"):
        task.resume(context(), event)
    with pytest.raises(RemoteWorkError, match="503"):
        task.resume(context(), {**event, "fault": "503"})


def test_a_task_that_is_killed_before_it_is_deferred_cancels_what_it_started(root: Path, tmp_path: Path) -> None:
    task = numbers(root, tmp_path)
    with pytest.raises(TaskDeferred):
        task.execute(context())
    task.on_kill()
    assert made_service.JOBS["numbers"].state == "CANCELLED"


def test_a_task_that_is_killed_while_it_starts_a_job_cancels_it_as_soon_as_it_is_there(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, start = numbers(root, tmp_path), RemotePhase.steps

    def interrupted(phase: RemotePhase) -> Iterator[Waiting]:
        task.on_kill()  # as in the handler of a signal: the call goes on when it returns
        return start(phase)

    monkeypatch.setattr(RemotePhase, "steps", interrupted)
    with pytest.raises(RemoteWorkError, match="job numbers is cancelled, since its task was ended"):
        task.execute(context())
    assert made_service.JOBS["numbers"].state == "CANCELLED"


_DAG = """
from airflow.sdk import DAG
from tests.operators.test_remote_work import NumbersOperator, RemoteNumbers

with DAG("remote", schedule=None, params={{"allow_partial": False}}) as dag:
    NumbersOperator(task_id="numbers", uri={uri!r}, stage=RemoteNumbers({control!r}))
"""


@pytest.mark.slow
def test_airflow_defers_and_resumes_the_task(root: Path, tmp_path: Path) -> None:
    control = tmp_path / "control"
    control.mkdir()
    dag = dag_of(_DAG.format(uri=str(root / "numbers"), control=str(control)), tmp_path / "dags", "remote")

    assert dag.test().state == "success"
    assert read_manifest(str(root / "numbers")).jobs
    assert made_service.JOBS["numbers"].looks == 2
