"""A machine that only trains: the extras train and jax, installed from the wheel, without Airflow."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.training.made import make_records, make_vocabulary

TRAINER = Path(os.environ.get("TRAINER_PYTHON", ""))
SHARDS = {"train-00000-of-00001.tfrecord": 200, "validation-00000-of-00001.tfrecord": 40}

pytestmark = pytest.mark.skipif(not TRAINER.is_file(), reason="make test-interop sets up the environment")


def trainer(*arguments: str, folder: Path) -> str:
    """What the program prints, run where the checkout is not."""
    done = subprocess.run([TRAINER.absolute(), *arguments], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_has_no_airflow(tmp_path: Path) -> None:
    program = "import importlib.util, threadmill; print(importlib.util.find_spec('airflow'), threadmill.__file__)"
    airflow, place = trainer("-c", program, folder=tmp_path).split(maxsplit=1)
    assert airflow == "None"
    assert "site-packages" in place


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_it_trains_and_evaluates(tmp_path: Path, backend: str) -> None:
    vocabulary = make_vocabulary(tmp_path / "vocabulary", 30)
    records = make_records(tmp_path / "records", vocabulary, SHARDS)
    settings = ["--model", "bert-tiny", "--steps", "6", "--batch-size", "8", "--backend", backend]
    train = ["train", "records", "--vocab", "vocabulary", "--output", "model", *settings]

    trainer("-m", "threadmill.cli", *train, folder=tmp_path)
    scores = json.loads(trainer("-m", "threadmill.cli", "evaluate", "model", records.uri, folder=tmp_path))

    assert (tmp_path / "model" / "losses.jsonl").read_bytes().count(b"\n") == 6
    assert scores["sequences"] == 40
