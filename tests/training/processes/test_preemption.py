"""The trainer's own processes, from the shell: asked to leave, and gone on with on a machine that has none of their files."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.training.made import make_records, make_vocabulary
from threadmill.training.runs.status import Status, read_status

pytestmark = pytest.mark.slow

STEPS = 150


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("inputs")
    vocabulary = make_vocabulary(folder / "vocabulary", 30)
    make_records(
        folder / "records", vocabulary, {"train-00000-of-00001.tfrecord": 900, "validation-00000-of-00001.tfrecord": 100}
    )
    return folder / "records", folder / "vocabulary"


def start(inputs: tuple[Path, Path], output: Path, backend: str, *more: str) -> "subprocess.Popen[str]":
    records, vocabulary = map(str, inputs)
    command = [sys.executable, "-m", "threadmill.cli", "train", records, "--vocab", vocabulary, "--output", str(output)]
    settings = ["--steps", str(STEPS), "--batch-size", "16", "--save-every", "60", "--backend", backend, *more]
    return subprocess.Popen([*command, *settings], stderr=subprocess.PIPE, text=True, start_new_session=True)


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    _, told = process.communicate(timeout=300)
    return process.returncode, told.splitlines()[-1]


def steps_noted(folder: Path) -> int:
    losses = folder / "losses.jsonl"
    return losses.read_bytes().count(b"\n") if losses.exists() else 0


def status_of(folder: Path) -> Status:
    status = read_status(str(folder))
    assert status is not None
    return status


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_preempted_run_goes_on_elsewhere_as_if_nothing_had_been(inputs: tuple[Path, Path], tmp_path: Path, backend: str) -> None:
    place = tmp_path / "bucket"
    first = start(inputs, tmp_path / "first", backend, "--checkpoints", str(place))
    while steps_noted(tmp_path / "first") < 70:
        assert first.poll() is None
        time.sleep(0.02)
    begin = time.monotonic()
    os.kill(first.pid, signal.SIGTERM)  # the parent alone, as a scheduler does
    code, told = finish(first)

    assert time.monotonic() - begin < 30
    left = status_of(tmp_path / "first")
    assert code == 75
    assert told == f"threadmill: {left.error}"
    assert (left.state, left.exit_code) == ("preempted", 75)
    assert 70 <= left.step == left.checkpoint < STEPS
    assert json.loads((place / f"step-{left.step}" / "checkpoint.json").read_text())["step"] == left.step
    assert (place / "losses.jsonl").read_bytes() == (tmp_path / "first" / "losses.jsonl").read_bytes()
    assert read_status(str(place)) == left

    second = start(inputs, tmp_path / "second", backend, "--checkpoints", str(place))
    undisturbed = start(inputs, tmp_path / "undisturbed", backend)
    assert (finish(second)[0], finish(undisturbed)[0]) == (0, 0)
    assert status_of(tmp_path / "second").resumed_from == left.step
    for name in ("losses.jsonl", "validation.jsonl", "model.keras"):
        assert (tmp_path / "second" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()


def test_run_that_is_asked_to_leave_before_its_first_step_ends_at_once(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    process = start(inputs, tmp_path / "model", "tensorflow")
    while not (tmp_path / "model" / "checkpoints" / "run.json").exists():  # TensorFlow is about to be imported
        assert process.poll() is None
        time.sleep(0.02)
    time.sleep(1)
    begin = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)  # all of the terminal's processes, as Ctrl-C does
    code, told = finish(process)

    assert time.monotonic() - begin < 10
    assert code == 75
    assert "asked to leave" in told
    assert steps_noted(tmp_path / "model") == 0
