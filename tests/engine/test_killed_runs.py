"""Runs in a process of their own that is killed in the middle, as a machine or a scheduler does it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.engine.stages import NumbersStage
from threadmill.datasets.dataset import verify
from threadmill.datasets.manifest import find_manifest
from threadmill.engine.run import run_stage

RUN = """
import sys
from tests.engine.stages import NumbersStage
from threadmill.engine.run import run_stage
run_stage(NumbersStage(sys.argv[1]), sys.argv[2], name="numbers", workers=2)
"""
PATIENCE = 60.0


def wait_until(condition: Callable[[], object], what: str) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"waited {PATIENCE:.0f} s for {what}"
        time.sleep(0.02)


@pytest.fixture
def control(tmp_path: Path) -> Path:
    folder = tmp_path / "control"
    folder.mkdir()
    return folder


@contextmanager
def run_stopped_in_task_2(control: Path, uri: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A run with two workers, the leader of a process group, that has done tasks 0, 1 and 3 and half of task 2."""
    (control / "wait-2").touch()
    process = subprocess.Popen([sys.executable, "-c", RUN, str(control), uri], start_new_session=True, stderr=subprocess.PIPE)
    with process:
        try:
            wait_until(lambda: len(list(Path(uri).glob(".receipts/train-*"))) == 3, "three tasks")
            wait_until(lambda: list(Path(uri).glob(".writing-*-train-00002-*")), "half a shard")
            yield process
        finally:
            (control / "wait-2").unlink()
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def pids(control: Path) -> set[int]:
    """The processes that did tasks."""
    return {int(mark.name.split("-")[2]) for mark in control.glob("ran-*")}


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def check_the_next_run_goes_on(control: Path, uri: str, tmp_path: Path) -> None:
    """Runs the stage again: only task 2 is done, and all is as if nothing had happened."""
    assert find_manifest(uri) is None
    for mark in control.glob("ran-*"):
        mark.unlink()
    resumed = run_stage(NumbersStage(str(control)), uri, name="numbers", workers=1)
    assert [mark.name.split("-")[1] for mark in control.glob("ran-*")] == ["2"]
    undisturbed = run_stage(NumbersStage(str(control)), str(tmp_path / "undisturbed"), name="numbers", workers=1)
    assert resumed.digest == undisturbed.digest
    assert verify(uri) == []
    assert not [path.name for path in Path(uri).iterdir() if path.name.startswith(".")], "no receipt, lock or temporary file"


def test_a_run_whose_process_group_was_killed_is_finished_by_the_next(control: Path, tmp_path: Path) -> None:
    uri = str(tmp_path / "numbers")
    with run_stopped_in_task_2(control, uri) as process:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert Path(uri, ".lock").exists()
    check_the_next_run_goes_on(control, uri, tmp_path)


def test_workers_whose_parent_was_killed_end_soon(control: Path, tmp_path: Path) -> None:
    uri = str(tmp_path / "numbers")
    with run_stopped_in_task_2(control, uri) as process:
        workers = pids(control)
        assert len(workers) == 2
        assert process.pid not in workers
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_until(lambda: not any(is_alive(pid) for pid in workers), "the orphaned workers to end")
    check_the_next_run_goes_on(control, uri, tmp_path)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_takes_its_workers_along(control: Path, tmp_path: Path, how: signal.Signals) -> None:
    uri = str(tmp_path / "numbers")
    with run_stopped_in_task_2(control, uri) as process:
        os.killpg(process.pid, how)
        process.communicate(timeout=PATIENCE)
        assert process.returncode != 0
        wait_until(lambda: not any(is_alive(pid) for pid in pids(control)), "the workers to end")
    check_the_next_run_goes_on(control, uri, tmp_path)
