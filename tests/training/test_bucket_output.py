"""Training with all in a bucket: a run that is killed goes on, in an empty folder, to the bytes of one that was not."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.cloud_storage import FakeCloudStorage
from tests.training.made import RECORDS, TOKENS, make_records, make_vocabulary
from threadmill.datasets import storage
from threadmill.datasets.dataset import verify
from threadmill.datasets.manifest import read_manifest
from threadmill.errors import PreemptedError
from threadmill.settings import get_settings
from threadmill.training.config import CheckpointConfig, EvaluationConfig, TrainingConfig
from threadmill.training.evaluation.stage import run_evaluation
from threadmill.training.export.formats import ExportConfig
from threadmill.training.export.stage import run_export
from threadmill.training.stage import run_training

CONFIG = TrainingConfig(
    steps=40, batch_size=4, num_layers=1, hidden_dim=8, num_heads=1, intermediate_dim=8, validation_sequences=0, max_loss_rise=0
)
CHECKPOINTS = CheckpointConfig(save_every=4)
OUTPUT = "gs://bucket/model"


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloudStorage]:
    vocabulary = make_vocabulary(tmp_path / "vocabulary", TOKENS)
    make_records(tmp_path / "records", vocabulary, RECORDS)
    with FakeCloudStorage(tmp_path / "buckets") as store:
        store.make_bucket("bucket")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", store.url)
        monkeypatch.setenv("THREADMILL_PROJECT", "p1")
        set_cache(tmp_path / "first", monkeypatch)
        for name in ("vocabulary", "records"):
            for path in sorted((tmp_path / name).iterdir()):
                storage.write_bytes(f"gs://bucket/{name}/{path.name}", path.read_bytes())
        yield store
    get_settings.cache_clear()


@pytest.mark.slow
def test_killed_run_goes_on_on_another_machine_to_equal_bytes(
    bucket: FakeCloudStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    records, vocabulary, model = (str(tmp_path / name) for name in ("records", "vocabulary", "model"))
    undisturbed = run_training(records, vocabulary, model, CONFIG, CHECKPOINTS)

    stop(signal.SIGKILL, after=4)
    set_cache(tmp_path / "second", monkeypatch)
    assert stop(signal.SIGTERM, after=newest_step() + 1) == PreemptedError.exit_code
    set_cache(tmp_path / "third", monkeypatch)
    resumed = run_training("gs://bucket/records", "gs://bucket/vocabulary", OUTPUT, CONFIG, CHECKPOINTS)

    assert resumed.digest == undisturbed.digest
    assert verify(OUTPUT) == []
    assert {"checkpoints", "tensorboard", "train.log"} <= set(storage.list_names(OUTPUT))
    assert len(storage.list_names(f"{OUTPUT}/tensorboard")) in (2, 3)  # each machine's, if the first could copy its own
    assert list((tmp_path / "third" / "runs").iterdir()) == []  # nothing is left on the machine

    scores = run_evaluation(OUTPUT, "gs://bucket/records", config=EvaluationConfig(split="train"))
    local = run_evaluation(model, records, config=EvaluationConfig(split="train"))
    assert scores == local
    exported = run_export(OUTPUT, "gs://bucket/exported", ExportConfig(to="huggingface"))
    assert (
        exported.shards == run_export(str(tmp_path / "model"), str(tmp_path / "exported"), ExportConfig(to="huggingface")).shards
    )
    assert read_manifest("gs://bucket/exported").digest == exported.digest


def stop(number: signal.Signals, after: int) -> int:
    """Trains in a process of its own, and sends it a signal once it has saved a checkpoint of that step or a later one."""
    program = "import sys; from threadmill.cli import run; sys.exit(run())"
    options = ["--steps=40", "--batch-size=4", "--num-layers=1", "--hidden-dim=8", "--num-heads=1", "--intermediate-dim=8"]
    options += ["--validation-sequences=0", "--max-loss-rise=0", "--save-every=4", "--vocab=gs://bucket/vocabulary"]
    command = [sys.executable, "-c", program, "train", "gs://bucket/records", *options, f"--output={OUTPUT}"]
    process = subprocess.Popen(command, env=os.environ)
    while process.poll() is None and newest_step() < after:
        time.sleep(0.1)
    process.send_signal(number)
    return process.wait(120)


def newest_step() -> int:
    names = storage.list_names(f"{OUTPUT}/checkpoints")
    return max((int(name.removeprefix("step-")) for name in names if name.startswith("step-")), default=0)


def set_cache(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another machine: an empty cache."""
    monkeypatch.setenv("THREADMILL_CACHE", str(folder))
    get_settings.cache_clear()
