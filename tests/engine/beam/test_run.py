import os
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.engine.beam.conftest import UseBeam
from tests.engine.stages import NumbersConfig, NumbersStage
from threadmill.cloud.package import build_id
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import verify
from threadmill.datasets.manifest import Manifest, find_manifest
from threadmill.engine.beam.pipeline import ProcessTask
from threadmill.engine.beam.run import _wait
from threadmill.engine.receipts import find_receipt, mark_unfinished
from threadmill.engine.run import run_stage
from threadmill.engine.site import local_site
from threadmill.engine.stage import Task, TaskOutput, TaskResult
from threadmill.errors import ConfigError, InputError, RemoteCancelledError, RemoteWorkError


def run_here(control: Path, folder: Path) -> Manifest:
    return run_stage(NumbersStage(str(control)), str(folder), name="numbers", site=local_site(1))


def ran(control: Path) -> list[str]:
    names = sorted(path.name.split("-")[1] for path in control.glob("ran-*"))
    for path in control.glob("ran-*"):
        path.unlink()
    return names


def test_beam_writes_the_bytes_of_the_local_engine(control: Path, tmp_path: Path, use_beam: UseBeam) -> None:
    here = run_here(control, tmp_path / "here")
    use_beam()
    there = run_stage(NumbersStage(str(control)), str(tmp_path / "there"), name="numbers")
    assert there.digest == here.digest
    assert verify(str(tmp_path / "there")) == []
    assert sorted(os.listdir(tmp_path / "there")) == sorted(os.listdir(tmp_path / "here")), "nothing else is left"


def test_a_second_launch_does_only_what_is_missing(control: Path, tmp_path: Path, use_beam: UseBeam) -> None:
    use_beam()
    (control / "fail-2").touch()
    with pytest.raises(InputError, match="numbers: the job on FnApiRunner: number 2 is missing; write it"):
        run_stage(NumbersStage(str(control)), str(tmp_path / "there"), name="numbers")
    assert find_manifest(str(tmp_path / "there")) is None
    done = {
        str(index) for index in range(4) if (tmp_path / "there" / ".receipts" / f"train-{index:05d}-of-00004.txt.json").exists()
    }
    ran(control)
    (control / "fail-2").unlink()
    there = run_stage(NumbersStage(str(control)), str(tmp_path / "there"), name="numbers")
    assert set(ran(control)) == {"0", "1", "2", "3"} - done
    assert there.digest == run_here(control, tmp_path / "here").digest


class TimeIsOver(BaseException):
    """As Airflow's of a task, which is no Exception."""


@pytest.mark.parametrize("ended_by", [SystemExit, KeyboardInterrupt, TimeIsOver])
def test_a_launcher_that_is_ended_cancels_its_job(ended_by: type[BaseException]) -> None:
    cancelled = []

    class Result:
        def wait_until_finish(self) -> str:
            raise ended_by

        def cancel(self) -> None:
            cancelled.append(self)

    with pytest.raises(ended_by):
        _wait(Result(), "numbers: the job on FlinkRunner")
    assert len(cancelled) == 1


@pytest.mark.parametrize(
    ("state", "error"), [("CANCELLED: ", RemoteCancelledError), ("FAILED: StatusCode.CANCELLED, channel closed", RemoteWorkError)]
)
def test_a_job_is_cancelled_by_its_state_whatever_its_message_says(state: str, error: type[Exception]) -> None:
    class Result:
        def wait_until_finish(self) -> str:
            raise RuntimeError(f"Pipeline job-1 failed in state {state}")

        def cancel(self) -> None:
            raise AssertionError("it is over")

    with pytest.raises(error):
        _wait(Result(), "numbers: the job on FlinkRunner")


def test_a_dataset_that_is_there_starts_no_job(control: Path, tmp_path: Path, use_beam: UseBeam) -> None:
    here = run_here(control, tmp_path / "numbers")
    use_beam("PortableRunner", beam_job_endpoint="localhost:1")
    assert run_stage(NumbersStage(str(control)), str(tmp_path / "numbers"), name="numbers").digest == here.digest


def test_a_job_service_that_is_not_there_is_told_with_the_setting(
    control: Path, tmp_path: Path, use_beam: UseBeam, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("threadmill.engine.beam.run._SECONDS", 0.1)
    use_beam("PortableRunner", beam_job_endpoint="localhost:1")
    with pytest.raises(
        RemoteWorkError, match="no job service answers at localhost:1; start it, or set THREADMILL_BEAM_JOB_ENDPOINT"
    ):
        run_stage(NumbersStage(str(control)), str(tmp_path / "numbers"))


class TestAWorker:
    def worker(self, control: Path, uri: Path, build: str | None = None) -> ProcessTask:
        mark_unfinished(str(uri))
        worker = ProcessTask(pickle.dumps(NumbersStage(str(control))), str(uri), "key", build or build_id())
        worker.setup()
        return worker

    def test_of_another_build_refuses_to_work(self, control: Path, tmp_path: Path) -> None:
        with pytest.raises(
            ConfigError, match="but the job was launched by build 0123456789abcdef; install the same build on both"
        ):
            self.worker(control, tmp_path, build="0123456789abcdef")

    def test_that_gets_a_task_again_does_it_once(self, control: Path, tmp_path: Path) -> None:
        worker = self.worker(control, tmp_path)
        element = pickle.dumps(Task("train-00000-of-00004.txt", 0))
        assert list(worker.process(element)) == list(worker.process(element)) == ["train-00000-of-00004.txt"]
        assert ran(control) == ["0"]

    def test_does_a_task_again_whose_shard_was_cut(self, control: Path, tmp_path: Path) -> None:
        worker = self.worker(control, tmp_path)
        element = pickle.dumps(Task("train-00000-of-00004.txt", 0))
        list(worker.process(element))
        ran(control)
        shard = tmp_path / "train-00000-of-00004.txt"
        whole = shard.read_bytes()
        shard.write_bytes(whole[:-1])
        list(worker.process(element))
        assert shard.read_bytes() == whole

    def test_that_fails_leaves_the_files_of_its_twin(self, control: Path, tmp_path: Path) -> None:
        """The same task twice at once: one is done while the other, half through, is about to fail."""
        other = tmp_path / "other"
        other.mkdir()
        (other / "wait-1").touch()
        (other / "fail-1").touch()
        first, second = self.worker(control, tmp_path), self.worker(other, tmp_path)
        element = pickle.dumps(Task("train-00001-of-00004.txt", 1))
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(lambda: list(second.process(element)))
            while not list(tmp_path.glob(".writing-*")):
                time.sleep(0.01)
            list(first.process(element))
            (other / "wait-1").unlink()
            assert isinstance(late.exception(), InputError)
        assert find_receipt(str(tmp_path), "key", "train-00001-of-00004.txt") is not None
        assert not list(tmp_path.glob(".writing-*"))


def test_numbered_shards_of_twins_do_not_meet(tmp_path: Path) -> None:
    contents = [b"first", b"second"]

    def write(output: TaskOutput, at_half: threading.Barrier) -> TaskResult:
        with output.numbered_shards("RC", "txt") as shards:
            for content in contents:
                with shards.shard() as stream:
                    stream.write(content)
                at_half.wait()
        return output.result(Task("RC"), Counters())

    barrier = threading.Barrier(2)
    results: list[TaskResult] = []
    twins = [threading.Thread(target=lambda: results.append(write(TaskOutput(str(tmp_path)), barrier))) for _ in range(2)]
    for twin in twins:
        twin.start()
    for twin in twins:
        twin.join()
    assert len(results) == 2
    assert results[0].shards == results[1].shards
    assert [Path(tmp_path, file.name).read_bytes() for file in results[0].shards] == contents
    assert not list(tmp_path.glob(".writing-*"))


def test_a_stage_of_the_program_itself_is_refused(control: Path, tmp_path: Path, use_beam: UseBeam) -> None:
    class Local(NumbersStage):
        pass

    Local.__module__ = "__main__"
    use_beam()
    with pytest.raises(ConfigError, match="Local is defined in the program itself, which workers cannot import; move it into"):
        run_stage(Local(str(control), NumbersConfig(shards=1)), str(tmp_path / "there"))
