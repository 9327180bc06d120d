"""Which faults are retried, and what a stage's operator leaves."""

from pathlib import Path

import pytest
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException

from operators.base import StageOperator
from tests.engine.stages import NumbersStage
from tests.operators.contexts import context
from threadmill import errors
from threadmill.datasets.dataset import verify
from threadmill.datasets.lock import writer_lock
from threadmill.datasets.manifest import find_manifest
from threadmill.engine.stage import Plan, Stage
from threadmill.errors import DatasetLockedError, ThreadmillError

RETRIED = {
    *("CheckpointError", "DatasetLockedError", "DownloadError", "PreemptedError"),
    *("RemoteWorkError", "TransferError", "WorkerError"),
}
PERMANENT = {name for name, kind in vars(errors).items() if isinstance(kind, type)} - RETRIED - {"ThreadmillError"}


class FailingStage(NumbersStage):
    """Meets an error before it does anything."""

    def plan(self) -> Plan:
        raise self.error  # type: ignore[attr-defined]


class NumbersOperator(StageOperator):
    """Runs a stage that was made before."""

    def __init__(self, *, stage: Stage, **kwargs: object) -> None:
        super().__init__(**kwargs)  # type: ignore[arg-type]
        self.stage = stage

    def make_stage(self, context: Context) -> Stage:
        return self.stage


@pytest.fixture
def control(tmp_path: Path) -> Path:
    folder = tmp_path / "control"
    folder.mkdir()
    return folder


def operator(stage: Stage, folder: Path) -> NumbersOperator:
    return NumbersOperator(task_id="numbers", uri=str(folder), stage=stage)


def failing(error: BaseException, control: Path) -> FailingStage:
    stage = FailingStage(str(control))
    stage.error = error  # type: ignore[attr-defined]
    return stage


@pytest.mark.parametrize("name", sorted(PERMANENT))
def test_a_fault_that_the_same_call_would_meet_again_is_not_retried(name: str, root: Path, control: Path) -> None:
    error: ThreadmillError = getattr(errors, name)("RC_2005-12.zst: cut at byte 7; download it again")
    with pytest.raises(AirflowFailException) as failure:
        operator(failing(error, control), root / "numbers").execute(context())
    assert str(failure.value) == str(error)
    assert failure.value.__suppress_context__  # no second traceback in the task's log
    assert not root.exists()


@pytest.mark.parametrize(
    "error", [*(getattr(errors, name)("later") for name in sorted(RETRIED)), OSError("disk full"), MemoryError()], ids=repr
)
def test_a_fault_that_may_pass_is_retried(error: Exception, root: Path, control: Path) -> None:
    with pytest.raises(type(error)) as failure:
        operator(failing(error, control), root / "numbers").execute(context())
    assert not isinstance(failure.value, AirflowFailException)


def test_a_dataset_that_is_being_written_elsewhere_is_retried_and_done_then(root: Path, control: Path) -> None:
    folder = root / "numbers"
    folder.mkdir(parents=True)
    task = operator(NumbersStage(str(control)), folder)
    with writer_lock(str(folder)), pytest.raises(DatasetLockedError):
        task.execute(context())
    assert task.execute(context()) == str(folder)
    assert verify(str(folder)) == []


def test_a_task_that_failed_in_the_middle_goes_on_from_there(root: Path, control: Path) -> None:
    task = operator(NumbersStage(str(control)), root / "numbers")
    (control / "fail-2").touch()
    with pytest.raises(AirflowFailException, match="number 2 is missing; write it"):
        task.execute(context())
    assert find_manifest(str(root / "numbers")) is None
    (control / "fail-2").unlink()
    for mark in control.glob("ran-*"):
        mark.unlink()
    task.execute(context())
    assert sorted(mark.name.split("-")[1] for mark in control.glob("ran-*")) == ["2", "3"]


def test_a_task_whose_dataset_is_there_does_nothing(root: Path, control: Path) -> None:
    task = operator(NumbersStage(str(control)), root / "numbers")
    uri = task.execute(context())
    before = find_manifest(uri)
    for mark in control.glob("ran-*"):
        mark.unlink()
    assert task.execute(context()) == uri == str(root / "numbers")
    assert find_manifest(uri) == before
    assert not list(control.glob("ran-*"))
