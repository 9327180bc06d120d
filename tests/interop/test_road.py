"""The whole road over real text, by each objective: killed while it trains, resumed, measured, exported, read by others."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.airflow_home import DAGS, REPOSITORY
from tests.dags.road import text_folders
from threadmill.datasets.dataset import verify
from threadmill.training.runs.status import read_status

PYTHON = os.environ.get("INTEROP_PYTHON", "")
NOVELS = REPOSITORY.parent / "shared" / "data" / "text"
pytestmark = [
    pytest.mark.skipif(not PYTHON, reason="INTEROP_PYTHON names no environment; run `make test-interop`"),
    pytest.mark.skipif(not NOVELS.exists(), reason="the real data is not here"),
]

STEPS, KILLED_AFTER = 300, 60
SETTINGS: dict[str, Any] = {
    **{"source": str(NOVELS), "vocab_size": 2000, "max_seq_length": 64},
    **{"steps": STEPS, "batch_size": 32, "save_every": 20, "ranking_contexts": 0, "validation_sequences": 200},
}
# Of each objective, and how its loss is named. Pairs are not packed, for others cannot keep packed ones apart.
OBJECTIVES: dict[str, tuple[dict[str, Any], str]] = {
    "bert": ({"max_predictions_per_seq": 10, "dupe_factor": 2}, "masked_loss"),
    "roberta": ({"max_predictions_per_seq": 10}, "masked_loss"),
    "seq2seq": ({"max_target_length": 32, "packing": False}, "response_loss"),
    "causal": ({}, "token_loss"),
}
BATCH = """
import sys, numpy as np
from threadmill.datasets.dataset import Dataset
from threadmill.training.inputs.batches import held_out_batches, held_out_masking
from threadmill.training.inputs.masking import masking_rules
from threadmill.training.inputs.records import held_out_split, record_files
records = Dataset.open(sys.argv[1])
files = record_files(records, held_out_split(records, ""))
masking = None
if files.format.objective == "roberta":
    masking = held_out_masking(masking_rules(records, sys.argv[2]), int(sys.argv[3]), files)
inputs, labels = next(iter(held_out_batches(files, files.records, files.records, masking)))
np.savez(sys.argv[4], **{name: np.asarray(value) for name, value in {**inputs, **labels}.items()})
"""


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_each_objective_beats_the_unigram_model_killed_or_not_and_others_score_its_model_alike(
    objective: str, tmp_path: Path
) -> None:
    settings, loss = OBJECTIVES[objective]
    conf = {**SETTINGS, **settings, "objective": objective, "name": objective}
    folders = text_folders(tmp_path, objective)
    kill_while_it_trains(conf, tmp_path, folders["train"])
    with worker(conf, tmp_path) as process:
        assert process.wait() == 0

    status = read_status(str(folders["train"]))
    assert status is not None
    assert status.resumed_from >= 20
    assert [json.loads(line)["step"] for line in (folders["train"] / "losses.jsonl").open()] == list(range(1, STEPS + 1))
    assert all(verify(str(folder)) == [] for folder in folders.values())
    scores = json.loads((folders["evaluate"] / "evaluation.json").read_bytes())
    assert scores[loss] < scores["unigram_loss"] - 0.1
    # Packed documents are seen as one by others.
    assert scored_elsewhere(objective, folders, tmp_path) == pytest.approx(
        scores[loss], abs=0.2 if objective == "causal" else 1e-3
    )


def kill_while_it_trains(conf: dict[str, Any], root: Path, model: Path) -> None:
    with worker(conf, root) as process:
        while not (model / "losses.jsonl").exists() or (model / "losses.jsonl").read_bytes().count(b"\n") < KILLED_AFTER:
            assert process.poll() is None, "it ended before it could be killed"
            time.sleep(0.05)
        os.killpg(process.pid, signal.SIGKILL)
    assert not (model / "manifest.json").exists()


def worker(conf: dict[str, Any], root: Path) -> "subprocess.Popen[bytes]":
    """Does the tasks of text_corpus, as the leader of a process group."""
    environment = {
        **os.environ,
        "THREADMILL_ROOT": str(root),
        "AIRFLOW__CORE__DAGS_FOLDER": str(DAGS),
        "PYTHONWARNINGS": "ignore",
    }
    command = [sys.executable, "-m", "tests.dags.worker", "text_corpus", json.dumps(conf)]
    return subprocess.Popen(command, cwd=REPOSITORY, env=environment, start_new_session=True)


def scored_elsewhere(objective: str, folders: dict[str, Path], folder: Path) -> float:
    """The exported model's loss on all held-out records, by transformers and PyTorch."""
    batch = folder / "batch.npz"
    vocabulary = folders["vocabulary"]
    size = (vocabulary / "vocab.txt").read_bytes().count(b"\n")
    told = [str(folders["records"]), str(vocabulary), str(size), str(batch)]
    subprocess.run([sys.executable, "-c", BATCH, *told], check=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    command = [PYTHON, str(Path(__file__).with_name("score_model.py")), str(folders["export"]), str(batch), objective]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
