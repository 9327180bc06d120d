import time
from pathlib import Path

import pytest

from tests.engine.stages import NumbersStage
from threadmill.datasets.counters import Counters
from threadmill.engine.local import available_workers, run_task, run_tasks
from threadmill.engine.stage import Task, TaskOutput, TaskResult
from threadmill.errors import InputError


@pytest.fixture
def stage(tmp_path: Path) -> NumbersStage:
    (tmp_path / "control").mkdir()
    (tmp_path / "out").mkdir()
    return NumbersStage(str(tmp_path / "control"))


def started(stage: NumbersStage) -> list[int]:
    return sorted(int(mark.name.split("-")[1]) for mark in Path(stage.control).glob("ran-*"))


def test_one_worker_does_the_tasks_in_order_one_at_a_time(stage: NumbersStage, tmp_path: Path) -> None:
    tasks = stage.plan().tasks
    results = run_tasks(stage, tasks, str(tmp_path / "out"), 1)
    assert next(results).name == tasks[0].name
    assert started(stage) == [0]
    assert [result.name for result in results] == [task.name for task in tasks[1:]]


def test_no_more_tasks_are_in_flight_than_there_are_workers(stage: NumbersStage, tmp_path: Path) -> None:
    results = run_tasks(stage, stage.plan().tasks, str(tmp_path / "out"), 2)
    next(results)
    time.sleep(0.3)
    assert set(started(stage)) <= {0, 1}, "no other task begins before its results are asked for"
    assert len(list(results)) == 3


def test_a_pool_does_every_task_once(stage: NumbersStage, tmp_path: Path) -> None:
    results = list(run_tasks(stage, stage.plan().tasks, str(tmp_path / "out"), 3))
    assert sorted(result.name for result in results) == sorted(task.name for task in stage.plan().tasks)
    assert started(stage) == [0, 1, 2, 3]


def test_an_error_in_a_worker_comes_as_it_was(stage: NumbersStage, tmp_path: Path) -> None:
    Path(stage.control, "fail-0").touch()
    with pytest.raises(InputError) as raised:
        list(run_tasks(stage, stage.plan().tasks, str(tmp_path / "out"), 2))
    assert str(raised.value) == "number 0 is missing; write it"


class LateFailure(NumbersStage):
    """Fails when all its files are in place."""

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        with output.shard(task.name) as shard, output.dead_letters(f"dead_letters-{task.name}") as letters:
            shard.write(b"a shard")
            letters.write(b"a letter")
            letters.records = 1
        output.result(task, Counters())
        raise InputError("it is of no use; name another")


def test_a_task_that_fails_leaves_none_of_its_files(stage: NumbersStage, tmp_path: Path) -> None:
    out = tmp_path / "out"
    (out / "of-another").touch()
    with pytest.raises(InputError, match="of no use"):
        run_task(LateFailure(stage.control), stage.plan().tasks[0], str(out))
    assert [path.name for path in out.iterdir()] == ["of-another"]


def test_a_pool_that_is_given_up_leaves_no_worker_at_work(stage: NumbersStage, tmp_path: Path) -> None:
    Path(stage.control, "wait-1").touch()
    results = run_tasks(stage, stage.plan().tasks, str(tmp_path / "out"), 2)
    next(results)
    results.close()  # type: ignore[attr-defined]
    Path(stage.control, "wait-1").unlink()
    time.sleep(0.2)
    assert not (tmp_path / "out" / stage.plan().tasks[1].name).exists()


def test_no_tasks_have_no_results(stage: NumbersStage, tmp_path: Path) -> None:
    assert list(run_tasks(stage, (), str(tmp_path / "out"), 4)) == []


def test_there_is_a_core_to_work_on() -> None:
    assert available_workers() >= 1
