"""A real training by the start-up script of a fake TPU's node, as a subprocess, over a fake bucket."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.training.made import RECORDS, TOKENS, make_records, make_vocabulary
from tests.training.remote.cloud import Cloud, made_cloud
from threadmill.cloud.identity import RunIdentity
from threadmill.datasets import storage
from threadmill.datasets.manifest import Manifest
from threadmill.engine.run import run_stage
from threadmill.engine.site import Site, local_site
from threadmill.training.config import CheckpointConfig, EvaluationConfig, TrainingConfig
from threadmill.training.evaluation.stage import EvaluationStage
from threadmill.training.remote import tpu
from threadmill.training.remote.attempts import REMOTE
from threadmill.training.stage import TrainingStage

pytestmark = pytest.mark.slow

CONFIG = TrainingConfig(
    steps=60, batch_size=4, backend="jax", num_layers=1, hidden_dim=8, num_heads=1, intermediate_dim=8, validation_sequences=0
)
CHECKPOINTS = CheckpointConfig(save_every=5)


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    monkeypatch.setattr(tpu, "LOOK_SECONDS", 0.3)
    monkeypatch.setattr(tpu, "HEARTBEAT_SECONDS", 0.5)
    # The node's Python has the launcher's build already, or fails: nothing is fetched from an index.
    environment = {"PYTHONPATH": str(Path(__file__).parents[3]), "PIP_NO_INDEX": "1"}
    environment["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "")  # of these tests: the same sums on both machines
    with made_cloud(tmp_path, monkeypatch, execute=True, environment=environment) as made:
        yield made
        assert made.tpu.ledger.existing == []
        assert made.tpu.ledger.most_at_once <= 1


@pytest.fixture
def undisturbed(tmp_path: Path) -> Manifest:
    """The same training on this machine, from the same records."""
    vocabulary = make_vocabulary(tmp_path / "vocabulary", TOKENS)
    make_records(tmp_path / "records", vocabulary, RECORDS)
    places = str(tmp_path / "records"), str(tmp_path / "vocabulary")
    return run_stage(TrainingStage(*places, CONFIG, CHECKPOINTS), str(tmp_path / "model"), site=local_site())


@pytest.fixture
def stage(undisturbed: Manifest, cloud: Cloud, tmp_path: Path) -> TrainingStage:
    """The training with all in the bucket."""
    for name in ("vocabulary", "records"):
        for path in sorted((tmp_path / name).iterdir()):
            storage.write_bytes(f"gs://bucket/{name}/{path.name}", path.read_bytes())
    return TrainingStage("gs://bucket/records", "gs://bucket/vocabulary", CONFIG, CHECKPOINTS)


def run(stage: TrainingStage | EvaluationStage, output: str) -> Manifest:
    return run_stage(stage, output, site=Site(RunIdentity("refresh", "manual__1", stage.name), trainer="tpu"))


def test_run_whose_tpu_is_taken_away_in_the_middle_ends_as_if_nothing_had_been(
    undisturbed: Manifest, stage: TrainingStage, cloud: Cloud, tmp_path: Path
) -> None:
    stopped = threading.Event()
    taken = threading.Thread(target=take_away_twice, args=(cloud, stopped), daemon=True)
    taken.start()
    try:
        manifest = run(stage, "gs://bucket/model")
    finally:
        stopped.set()
        taken.join()

    states = [job["state"] for job in sorted(manifest.jobs, key=lambda job: job["measures"]["attempt"])]
    assert states == ["preempted", "preempted", "finished"]
    losses = storage.read_bytes("gs://bucket/model/losses.jsonl")
    assert losses == (tmp_path / "model" / "losses.jsonl").read_bytes()
    assert manifest.digest == undisturbed.digest
    assert storage.list_names("gs://bucket/model/tensorboard")
    assert REMOTE not in storage.list_names("gs://bucket/model")

    scores = run(
        EvaluationStage("gs://bucket/model", "gs://bucket/records", EvaluationConfig(split="train")), "gs://bucket/evaluation"
    )
    assert scores.statistics["sequences"] > 0


def take_away_twice(cloud: Cloud, stopped: threading.Event) -> None:
    """Kills the first host once it has a checkpoint, and asks the second one to leave after another."""
    seen = 0
    for kind in ("preempt", "shut_down"):
        while not stopped.is_set() and newest_step() <= seen:
            time.sleep(0.05)
        seen = newest_step()
        for entry in cloud.tpu.ledger.entries:
            if entry.gone is None and not stopped.is_set():
                cloud.tpu.preempt(entry.name, kind)
        count = len(cloud.tpu.ledger.entries)
        while not stopped.is_set() and len(cloud.tpu.ledger.entries) == count:
            time.sleep(0.05)


def newest_step() -> int:
    names = storage.list_names("gs://bucket/model/checkpoints")
    return max((int(name.removeprefix("step-")) for name in names if name.startswith("step-")), default=0)
