import contextlib
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from threadmill.datasets.storage import TEMPORARY_PREFIX
from threadmill.errors import InputError, PreemptedError, ThreadmillError, WorkerError
from threadmill.training.processes import launch as launch_module
from threadmill.training.processes.launch import run_child
from threadmill.training.runs.status import read_status

# A child as the trainer is one, that does what its spec says instead of training.
CHILD = """
import os, signal, sys, tempfile, time
from threadmill.errors import InputError, PreemptedError
from threadmill.training.processes import child
from threadmill.training.processes.preemption import Preemption
from threadmill.training.processes.spec import read_spec

spec, preemption = read_spec(sys.argv[1], dict), Preemption()

def work(status):
    with open(os.path.join(spec["folder"], "temporary"), "w") as told: told.write(tempfile.gettempdir())
    tempfile.mkdtemp()
    status.update(state="training", step=3, steps=9, loss=1.5)
    if spec["do"] == "refuse": raise InputError("the records are gone; make them again")
    if spec["do"] == "fail": raise RuntimeError("out of cheese")
    if spec["do"] == "write": open(os.path.join(spec["folder"], "no", "folder"), "w")
    if spec["do"] == "die": print("I0000 00:00:1795288369.279940   18271 cudart_stub.cc:31] No cuda drivers", flush=True)
    if spec["do"] == "die": os.kill(os.getpid(), signal.SIGKILL)
    if spec["do"] == "wait": time.sleep(60)
    if spec["do"] == "deaf": preemption.asked(); status.update(checkpoint=2); time.sleep(60)
    while spec["do"] == "steps":
        if preemption.asked(): status.update(checkpoint=3); raise PreemptedError("left after step 3; run the same again")
        time.sleep(0.02)

sys.exit(child.run(spec["folder"], spec["parent"], work, preemption=preemption))
"""


@dataclass
class Spec:
    do: str
    folder: str
    parent: int


@pytest.fixture
def launch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], object]:
    (tmp_path / "made_child.py").write_text(CHILD)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def start(do: str) -> object:
        return run_child("made_child", Spec(do, str(tmp_path), os.getpid()), str(tmp_path), stage="train", unit="sequences")

    return start


def test_child_that_ends_well_leaves_its_status(launch: Callable[[str], object], tmp_path: Path) -> None:
    status = launch("nothing")

    assert status == read_status(str(tmp_path))
    assert (status.state, status.exit_code, status.step, status.loss) == ("finished", 0, 3, 1.5)


def test_error_of_ours_crosses_over_as_it_is(launch: Callable[[str], object], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^the records are gone; make them again$"):
        launch("refuse")

    status = read_status(str(tmp_path))
    assert status is not None
    assert (status.state, status.exit_code) == ("failed", 2)


def test_any_other_error_is_told_in_one_line_and_its_log_shown(
    launch: Callable[[str], object], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(WorkerError) as error:
        launch("fail")

    told = str(error.value)
    assert told.startswith("train: its process ended with exit code 1 after step 3 of 9 (RuntimeError: out of cheese)")
    assert "\n" not in told
    assert any("Traceback" in line for line in caplog.messages)


def test_file_that_cannot_be_written_is_one_line(launch: Callable[[str], object], tmp_path: Path) -> None:
    with pytest.raises(ThreadmillError, match=f"^{tmp_path}/no/folder: No such file or directory; check that it is there, writa"):
        launch("write")


def test_child_that_is_killed_is_told_and_noted(launch: Callable[[str], object], tmp_path: Path) -> None:
    with pytest.raises(WorkerError, match=r"was killed by SIGKILL after step 3 of 9 \(it wrote nothing\)"):
        launch("die")

    status = read_status(str(tmp_path))
    assert status is not None
    assert (status.state, status.exit_code) == ("killed", -9)


@pytest.mark.parametrize("do", ["nothing", "die"])
def test_temporary_files_go_with_the_child(launch: Callable[[str], object], tmp_path: Path, do: str) -> None:
    left = tmp_path / f"{TEMPORARY_PREFIX}files"
    left.mkdir()  # as a run that was killed with its child leaves it
    (left / "before").touch()
    with contextlib.suppress(WorkerError):
        launch(do)

    assert (tmp_path / "temporary").read_text() == str(left)
    assert not left.exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signal_is_passed_on_and_the_child_leaves_with_its_state_saved(
    launch: Callable[[str], object], tmp_path: Path, number: signal.Signals
) -> None:
    before = signal.getsignal(number)
    with signalled(number, tmp_path), pytest.raises(PreemptedError, match=r"^left after step 3; run the same again$"):
        launch("steps")

    status = read_status(str(tmp_path))
    assert status is not None
    assert (status.state, status.exit_code, status.checkpoint) == ("preempted", 75, 3)
    assert signal.getsignal(number) == before


def test_child_whose_training_has_not_begun_leaves_at_once(launch: Callable[[str], object], tmp_path: Path) -> None:
    begin = time.monotonic()
    with (
        signalled(signal.SIGTERM, tmp_path),
        pytest.raises(PreemptedError, match=r"while it was training; run the same again to"),
    ):
        launch("wait")  # as in the compilation of the first step

    assert time.monotonic() - begin < 10
    status = read_status(str(tmp_path))
    assert status is not None
    assert (status.state, status.exit_code) == ("preempted", 75)


def test_child_that_does_not_leave_in_time_is_killed(
    launch: Callable[[str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(launch_module, "_LEAVE_SECONDS", 0.5)
    with (
        signalled(signal.SIGTERM, tmp_path, checkpoint=2),
        pytest.raises(
            PreemptedError, match=r"ended before it had saved a checkpoint; run .* go on from the checkpoint of step 2$"
        ),
    ):
        launch("deaf")

    status = read_status(str(tmp_path))
    assert status is not None
    assert (status.state, status.exit_code) == ("killed", -9)


def test_who_presses_twice_does_not_wait(launch: Callable[[str], object], tmp_path: Path) -> None:
    begin = time.monotonic()
    with signalled(signal.SIGINT, tmp_path, checkpoint=2, times=2), pytest.raises(PreemptedError):
        launch("deaf")

    assert time.monotonic() - begin < 10


def test_child_is_killed_when_its_parent_is_interrupted(launch: Callable[[str], object], tmp_path: Path) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        signal.setitimer(signal.ITIMER_REAL, 1.5)
        with pytest.raises(KeyboardInterrupt):
            launch("wait")
    finally:
        signal.signal(signal.SIGALRM, before)

    assert not children_of(os.getpid(), "made_child")


def test_child_dies_with_its_parent(tmp_path: Path) -> None:
    (tmp_path / "made_child.py").write_text(CHILD)
    program = (
        "import os; from dataclasses import make_dataclass; from threadmill.training.processes.launch import run_child\n"
        "Spec = make_dataclass('Spec', ['do', 'folder', 'parent'])\n"
        f"run_child('made_child', Spec('wait', {str(tmp_path)!r}, os.getpid()), {str(tmp_path)!r}, stage='train', unit='')"
    )
    parent = subprocess.Popen([sys.executable, "-c", program], env={**os.environ, "PYTHONPATH": str(tmp_path)})
    child = wait_for(lambda: training(tmp_path) and children_of(parent.pid, "made_child"))[0]
    parent.kill()  # the parent alone, not its group
    parent.wait()

    wait_for(lambda: ended(child), seconds=2)


@contextlib.contextmanager
def signalled(number: signal.Signals, folder: Path, checkpoint: int = 0, times: int = 1) -> Iterator[None]:
    """Sends this process a signal when its child trains and has saved the checkpoint."""

    def send() -> None:
        wait_for(lambda: training(folder, checkpoint))
        for _ in range(times):
            os.kill(os.getpid(), number)
            time.sleep(0.3)

    thread = threading.Thread(target=send)
    thread.start()
    yield
    thread.join()


def training(folder: Path, checkpoint: int = 0) -> bool:
    status = read_status(str(folder))
    return status is not None and (status.state, status.checkpoint) == ("training", checkpoint)


def children_of(pid: int, word: str) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it may end meanwhile
            stat, command = (entry / "stat").read_text(), (entry / "cmdline").read_bytes()
            if int(stat.rsplit(")", 1)[1].split()[1]) == pid and word.encode() in command:
                found.append(int(entry.name))
    return found


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_for(condition: Callable[[], object], seconds: float = 20) -> object:
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.05)
    return result
