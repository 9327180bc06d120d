"""Each task that writes a dataset is killed in the middle, with all its processes, and run again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.airflow_home import REPOSITORY
from tests.dags.road import dataset_folders
from threadmill.corpora.sample import write_sample
from threadmill.datasets.dataset import verify
from threadmill.datasets.manifest import MANIFEST_NAME, read_manifest
from threadmill.training.runs.status import read_status

MONTH = "2006-01"
SMALL: dict[str, Any] = {
    "month": MONTH,
    "num_shards_train": 6,
    "vocab_size": 2000,
    "max_seq_length": 32,
    "max_predictions_per_seq": 5,
    "dupe_factor": 2,
    "steps": 40,
    "batch_size": 8,
    "save_every": 5,
}
PATIENCE = 300.0
ATTEMPTS = 5

pytestmark = pytest.mark.slow


def begun(folder: Path) -> bool:
    return (folder / ".receipts").exists()


def first_rows_written(folder: Path) -> bool:
    return any(path.stat().st_size for path in folder.glob(".writing-*"))


def some_tasks_done(folder: Path) -> bool:
    return len(list(folder.glob(".receipts/*.json"))) >= 2


def some_steps_done(folder: Path) -> bool:
    return (folder / "losses.jsonl").exists() and (folder / "losses.jsonl").read_bytes().count(b"\n") >= 15


def evaluating(folder: Path) -> bool:
    status = read_status(str(folder))
    return status is not None and status.state == "evaluating"


def exporting(folder: Path) -> bool:
    return read_status(str(folder / ".export")) is not None


# The middle of each task, as it shows in its dataset's folder.
MIDDLE: dict[str, Callable[[Path], bool]] = {
    "ingest": first_rows_written,
    "threads": some_tasks_done,
    "conversations": some_tasks_done,
    "signatures": some_tasks_done,
    "deduplicate": some_tasks_done,
    "vocabulary": begun,
    "records": some_tasks_done,
    "train": some_steps_done,
    "evaluate": evaluating,
    "export": exporting,
    "report": begun,
}


@contextmanager
def process_group(command: list[str], root: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that leads a group of its own, all of which is killed with SIGKILL at the end."""
    environment = {**os.environ, "THREADMILL_ROOT": str(root), "THREADMILL_WORKERS": "2", "PYTHONWARNINGS": "ignore"}
    with subprocess.Popen(
        [sys.executable, *command], env=environment, cwd=REPOSITORY, start_new_session=True, stdout=subprocess.DEVNULL
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def worker(conf: dict[str, Any]) -> list[str]:
    return ["-m", "tests.dags.worker", "reddit_refresh", json.dumps(conf)]


def kill_in_the_middle(command: list[str], root: Path, task: str) -> None:
    """Runs the command until ``task`` is in its middle, and kills all of it; again where that was seen too late."""
    folder = dataset_folders(root, MONTH)[task]
    for _ in range(ATTEMPTS):
        end = time.monotonic() + PATIENCE
        with process_group(command, root) as process:
            while not MIDDLE[task](folder) and process.poll() is None:
                assert time.monotonic() < end, f"waited {PATIENCE:.0f} s for the middle of {task}"
                time.sleep(0.001)
        assert process.returncode in (0, -signal.SIGKILL)
        if not (folder / MANIFEST_NAME).exists():
            return
        shutil.rmtree(folder)
    pytest.fail(f"{task} was done before it could be killed, {ATTEMPTS} times; give it more to do")


def run_to_the_end(command: list[str], root: Path) -> None:
    with process_group(command, root) as process:
        assert process.wait() == 0


def check_whole(root: Path) -> None:
    for folder in dataset_folders(root, MONTH).values():
        assert verify(str(folder)) == []
        assert not [path.name for path in folder.rglob(".*")], "no lock, receipt or temporary file"
    trained = read_status(str(dataset_folders(root, MONTH)["train"]))
    assert trained is not None
    assert trained.resumed_from >= 10, "it went on from a checkpoint"


def test_each_task_killed_in_the_middle_and_run_again_leaves_what_an_undisturbed_run_does(tmp_path: Path) -> None:
    (dump,) = write_sample(str(tmp_path), comments=60_000, start=MONTH)
    command = worker({**SMALL, "source": str(dump)})
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    with process_group(command, undisturbed) as other:
        for task in MIDDLE:
            kill_in_the_middle(command, killed, task)
        run_to_the_end(command, killed)
        assert other.wait() == 0
    check_whole(killed)
    expected = {task: read_manifest(str(folder)).digest for task, folder in dataset_folders(undisturbed, MONTH).items()}
    assert {task: read_manifest(str(folder)).digest for task, folder in dataset_folders(killed, MONTH).items()} == expected


def test_a_run_of_airflow_that_was_killed_does_not_stand_in_the_way_of_the_next(airflow_database: None, tmp_path: Path) -> None:
    (dump,) = write_sample(str(tmp_path), comments=2_000, start=MONTH)
    conf = json.dumps({**SMALL, "vocab_size": 500, "source": str(dump)})
    command, root = ["-m", "airflow", "dags", "test", "reddit_refresh", "--conf", conf], tmp_path / "root"
    kill_in_the_middle(command, root, "train")
    run_to_the_end(command, root)
    check_whole(root)
