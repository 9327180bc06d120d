"""Training end to end, in real processes: killed, resumed, evaluated, and loaded elsewhere."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.training.made import (
    SEQ,
    Columns,
    causal,
    make_records,
    make_vocabulary,
    masked_roberta,
    roberta,
    seq2seq,
    with_v2_names,
    without_next_sentence,
)
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.manifest import Manifest
from threadmill.errors import ConfigError, InputError
from threadmill.training.config import CheckpointConfig, EvaluationConfig, TrainingConfig
from threadmill.training.evaluation.stage import EvaluationStage, run_evaluation
from threadmill.training.runs.status import read_status
from threadmill.training.stage import run_training

TOKENS = 30
CONFIG = TrainingConfig(steps=120, batch_size=16, learning_rate=3e-3)
CHECKPOINTS = CheckpointConfig(save_every=15, keep=2)
# All that a run does between its steps: parts of a batch, several steps a call, validation, checkpoints by the clock.
BUSY = TrainingConfig(
    model="bert-tiny",
    steps=120,
    batch_size=16,
    gradient_accumulation=2,
    learning_rate=3e-3,
    steps_per_execution=4,
    validation_sequences=64,
    validate_every=50,
)
BY_THE_CLOCK = CheckpointConfig(save_every=15, keep=2, save_minutes=0.005)
KILLS = int(os.environ.get("THREADMILL_TEST_KILLS") or 6)
SHARDS = {
    "train-00000-of-00002.tfrecord": 900,
    "train-00001-of-00002.tfrecord": 700,
    "validation-00000-of-00001.tfrecord": 200,
}

# In a process of its own, as another program would do it: with Keras and KerasHub, and without Threadmill.
ELSEWHERE = """
import glob, json, os, sys
os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")
import keras, keras_hub, numpy as np, tensorflow as tf
from tensorflow.core.util import event_pb2
folder = sys.argv[1]
model = keras.models.load_model(folder + "/model.keras")
ids = np.full((1, 16), 0); ids[0, :15] = [2, 12, 12, 4, 12, 12, 12, 3, 12, 12, 12, 12, 12, 12, 3]
segments = np.array([[0] * 8 + [1] * 7 + [0]])
inputs = {"token_ids": ids, "segment_ids": segments, "padding_mask": np.sign(ids), "mask_positions": np.array([[3]])}
outputs = model(inputs)
points = {}
for path in sorted(glob.glob(folder + "/tensorboard/*")):
    for record in tf.data.TFRecordDataset(path):
        event = event_pb2.Event.FromString(record.numpy())
        for value in event.summary.value:
            points.setdefault(value.tag, {})[event.step] = float(tf.make_ndarray(value.tensor))
            assert value.metadata.plugin_data.plugin_name == "scalars" or not value.HasField("metadata")
print(json.dumps({"masked": int(np.argmax(outputs["masked_lm"][0, 0])), "next": outputs["next_sentence"].shape[1],
                  "points": points, "parameters": sum(int(np.prod(v.shape)) for v in model.trainable_variables)}))
"""


@pytest.fixture(scope="module", autouse=True)
def _quick_compilation() -> Iterator[None]:
    """JAX's compiler takes a quarter of the time without optimising."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=0")
        yield


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The URIs of records and of their vocabulary."""
    folder = tmp_path_factory.mktemp("inputs")
    return made_inputs(folder)


def made_inputs(folder: Path, kind: Callable[[Columns], Columns] = dict, objective: str = "bert") -> tuple[str, str]:
    vocabulary = make_vocabulary(folder / "vocabulary", TOKENS)
    return make_records(folder / "records", vocabulary, SHARDS, kind=kind, objective=objective).uri, vocabulary.uri


@pytest.fixture(scope="module")
def undisturbed(inputs: tuple[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a model that was trained in one go."""
    folder = tmp_path_factory.mktemp("undisturbed")
    run_training(*inputs, str(folder), CONFIG, CHECKPOINTS)
    return folder


@pytest.mark.slow
def test_killed_run_is_resumed_by_its_like_only_and_ends_as_the_undisturbed_one(
    inputs: tuple[str, str], undisturbed: Path, tmp_path: Path
) -> None:
    kill_in_the_middle(inputs, tmp_path, after_steps=40)
    checkpoints = [path.parent.name for path in (tmp_path / "checkpoints").glob("step-*/checkpoint.json")]
    assert checkpoints
    assert not (tmp_path / "manifest.json").exists()
    with pytest.raises(ConfigError, match=r"unfinished run of other settings \(steps was 120, is 130, learning_rate was 0\.003,"):
        run_training(*inputs, str(tmp_path), TrainingConfig(steps=130, batch_size=16))

    manifest = run_training(*inputs, str(tmp_path), CONFIG, CHECKPOINTS)

    assert (tmp_path / "losses.jsonl").read_text() == (undisturbed / "losses.jsonl").read_text()
    assert digests(manifest) == digests(Dataset.open(str(undisturbed)).manifest)
    assert verify(str(tmp_path)) == []
    status = read_status(str(tmp_path))
    assert status is not None
    assert (status.state, status.step, status.exit_code) == ("finished", 120, 0)
    assert status.resumed_from >= 30  # it did go on from a checkpoint


def test_trained_model_is_told_in_full(undisturbed: Path, inputs: tuple[str, str]) -> None:
    manifest = Dataset.open(str(undisturbed)).manifest
    described = json.loads((undisturbed / "config.json").read_text())
    losses = [json.loads(line) for line in (undisturbed / "losses.jsonl").read_text().splitlines()]

    assert [shard.name for shard in manifest.shards] == [
        "model.keras",
        "config.json",
        "losses.jsonl",
        "validation.jsonl",
        "vocab.txt",
    ]
    assert manifest.counters.to_json() == {"read": 1600, "kept": 1600, "dropped": {}, "written": 1, "sequences": 1920}
    assert manifest.statistics == losses[-1]
    assert [line["step"] for line in losses] == list(range(1, 121))
    assert losses[9]["loss"] == pytest.approx(losses[9]["masked_loss"] + losses[9]["next_sentence_loss"], rel=1e-5)
    assert losses[0]["masked_loss"] == pytest.approx(math.log(TOKENS - 5), abs=0.1)  # the unigram model's, from the start
    assert (described["vocabulary_size"], described["max_seq_length"], described["num_layers"]) == (TOKENS, SEQ, 2)
    assert described["vocabulary_digest"] == Dataset.open(inputs[1]).manifest.digest
    assert described["training"]["warmup_steps"] == 12
    kept = sorted(path.parent.name for path in (undisturbed / "checkpoints").glob("step-*/checkpoint.json"))
    assert kept == ["step-105", "step-120"]


def test_finished_run_is_not_done_again(undisturbed: Path, inputs: tuple[str, str]) -> None:
    begin = time.monotonic()
    run_training(*inputs, str(undisturbed), CONFIG, CheckpointConfig(save_every=99))  # how often it was saved is no matter

    assert time.monotonic() - begin < 2


def test_model_beats_the_unigram_baseline_on_held_out_records(undisturbed: Path, inputs: tuple[str, str]) -> None:
    records, _ = inputs
    config = EvaluationConfig(max_sequences=150)
    scores = run_evaluation(str(undisturbed), records, config=config)

    assert scores["sequences"] == 150
    assert scores["masked_tokens"] == 300
    manifest = Dataset.open(str(undisturbed / "evaluation")).manifest
    assert manifest.counters.to_json() == {"read": 200, "kept": 150, "dropped": {"beyond_max_sequences": 50}, "written": 1}
    assert scores["unigram_loss"] == pytest.approx(math.log(TOKENS - 5), abs=0.1)  # all words are equally frequent
    assert scores["masked_loss"] < scores["unigram_loss"] - 0.5
    assert scores["masked_perplexity"] == pytest.approx(math.exp(scores["masked_loss"]), rel=1e-4)
    assert scores["masked_accuracy"] > 3 * scores["unigram_accuracy"]
    assert 0.5 <= scores["majority_accuracy"] < 0.6
    assert json.loads((undisturbed / "evaluation" / "evaluation.json").read_text()) == scores

    begin = time.monotonic()
    assert run_evaluation(str(undisturbed), records, config=config) == scores
    assert time.monotonic() - begin < 2


def test_model_and_curves_are_read_by_others(undisturbed: Path) -> None:
    command = [sys.executable, "-c", ELSEWHERE, str(undisturbed)]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True, cwd="/").stdout)
    losses = [json.loads(line) for line in (undisturbed / "losses.jsonl").read_text().splitlines()]

    assert found["next"] == 2
    assert found["masked"] == 12  # as all its neighbours are
    assert found["parameters"] == json.loads((undisturbed / "config.json").read_text())["parameters"]
    assert found["points"]["loss"]["60"] == pytest.approx(losses[59]["loss"])
    assert found["points"]["learning_rate"]["13"] == pytest.approx(3e-3)  # the peak, after 12 steps of warm-up
    assert set(found["points"]) >= {"masked_loss", "next_sentence_loss", "gradient_norm", "validation_loss"}


def test_evaluation_wants_a_model_and_records_of_its_vocabulary(
    undisturbed: Path, inputs: tuple[str, str], tmp_path: Path
) -> None:
    other = make_records(tmp_path / "records", make_vocabulary(tmp_path / "vocabulary", 20), {"test-00000-of-00001.tfrecord": 3})

    with pytest.raises(InputError, match=f"not made with the vocabulary of the model at {undisturbed}"):
        EvaluationStage(str(undisturbed), other.uri).plan()
    with pytest.raises(InputError, match="a dataset of the stage records, not a model"):
        EvaluationStage(inputs[0], inputs[0]).plan()
    with pytest.raises(InputError, match="no records in the split test"):
        EvaluationStage(str(undisturbed), inputs[0], EvaluationConfig(split="test")).plan()


@pytest.mark.slow
def test_roberta_is_trained_and_evaluated_on_records_without_masks(tmp_path: Path) -> None:
    records, vocabulary = made_inputs(tmp_path, roberta, "roberta")
    config = TrainingConfig(model="roberta-tiny", steps=30, batch_size=16)
    manifest = run_training(records, vocabulary, str(tmp_path / "model"), config)
    scores = run_evaluation(str(tmp_path / "model"), records)

    names = ["model.keras", "config.json", "losses.jsonl", "validation.jsonl", "vocab.txt", "masking.json"]
    assert [shard.name for shard in manifest.shards] == names
    losses = [json.loads(line) for line in (tmp_path / "model" / "losses.jsonl").read_text().splitlines()]
    assert [list(line) for line in losses] == [["step", "loss"]] * 30
    assert losses[0]["loss"] == pytest.approx(math.log(TOKENS - 5), abs=0.1)
    described = json.loads((tmp_path / "model" / "config.json").read_text())
    assert (described["architecture"], described["objective"], described["next_sentence"]) == ("roberta", "roberta", False)
    assert (scores["sequences"], scores["masked_tokens"]) == (200, 400)  # 2 of the 15 tokens of each
    assert scores["unigram_loss"] == pytest.approx(math.log(TOKENS - 5), abs=0.1)
    assert not [name for name in scores if "sentence" in name or "majority" in name]
    assert not list((tmp_path / "model").glob(".writing-*"))


def test_model_that_does_not_fit_the_records_is_refused(tmp_path: Path) -> None:
    records, vocabulary = made_inputs(tmp_path)
    long = make_records(
        tmp_path / "long", Dataset.open(vocabulary), {"train-00000-of-00001.tfrecord": 1}, max_seq_length=1024
    ).uri

    with pytest.raises(ConfigError, match="the model roberta-tiny does not learn the objective bert"):
        run_training(records, vocabulary, str(tmp_path / "model"), TrainingConfig(model="roberta-tiny"))
    with pytest.raises(
        ConfigError, match=r"the records have 1024 tokens \(max_seq_length\), and the model bert-mini takes 512 at most"
    ):
        run_training(long, vocabulary, str(tmp_path / "model"), TrainingConfig(model="bert-mini"))
    assert not (tmp_path / "model" / "manifest.json").exists()


@pytest.mark.slow
def test_killed_run_with_dynamic_masks_ends_as_the_undisturbed_one(tmp_path: Path) -> None:
    inputs = made_inputs(tmp_path, roberta, "roberta")
    config = TrainingConfig(model="roberta-tiny", steps=240, batch_size=16, learning_rate=3e-3)  # two epochs and more
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    for steps in (40, 130):
        kill_in_the_middle(inputs, killed, steps, config)

    run_training(*inputs, str(undisturbed), config, CHECKPOINTS)
    manifest = run_training(*inputs, str(killed), config, CHECKPOINTS)

    assert (killed / "losses.jsonl").read_text() == (undisturbed / "losses.jsonl").read_text()
    assert digests(manifest) == digests(Dataset.open(str(undisturbed)).manifest)
    assert not list(killed.glob(".writing-*"))
    scores = run_evaluation(str(killed), inputs[0])
    assert run_evaluation(str(undisturbed), inputs[0]) == scores
    other = run_evaluation(str(killed), inputs[0], str(tmp_path / "other"), EvaluationConfig(eval_batch_size=7))
    assert other["masked_accuracy"] == scores["masked_accuracy"]  # the same masks
    assert scores["masked_loss"] < scores["unigram_loss"] - 0.5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("objective", "kind"),
    [("bert", lambda columns: with_v2_names(without_next_sentence(columns))), ("roberta", roberta), ("roberta", masked_roberta)],
)
def test_bert_learns_without_next_sentence(tmp_path: Path, objective: str, kind: Callable[[Columns], Columns]) -> None:
    records, vocabulary = made_inputs(tmp_path, kind, objective)
    run_training(records, vocabulary, str(tmp_path / "model"), TrainingConfig(steps=150, batch_size=16, learning_rate=3e-3))

    scores = run_evaluation(str(tmp_path / "model"), records)

    assert "next_sentence_loss" not in scores
    assert scores["masked_loss"] < scores["unigram_loss"] - 0.5


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
@pytest.mark.parametrize(("objective", "kind", "term"), [("seq2seq", seq2seq, "response"), ("causal", causal, "token")])
def test_responses_and_documents_are_learnt(
    tmp_path: Path, objective: str, kind: Callable[[Columns], Columns], term: str, backend: str
) -> None:
    records, vocabulary = made_inputs(tmp_path, kind, objective)
    config = TrainingConfig(steps=150, batch_size=16, learning_rate=3e-3, backend=backend, use_best=True)
    run_training(records, vocabulary, str(tmp_path / "model"), config)

    scores = run_evaluation(str(tmp_path / "model"), records, config=EvaluationConfig(ranking_contexts=0))

    assert scores[f"{term}_loss"] < scores["unigram_loss"] - 0.5
    validations = [json.loads(line)["loss"] for line in (tmp_path / "model" / "validation.jsonl").read_text().splitlines()]
    assert len(validations) == 10
    assert scores[f"{term}_loss"] == pytest.approx(min(validations), rel=1e-3)  # the best checkpoint's weights


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_kills_at_random_moments_change_nothing(inputs: tuple[str, str], tmp_path: Path, backend: str) -> None:
    config = replace(BUSY, backend=backend, steps=400)
    undisturbed, killed = tmp_path / "undisturbed", tmp_path / "killed"
    expected = run_training(*inputs, str(undisturbed), config, BY_THE_CLOCK)
    moments = random.Random(6)
    for kill in range(KILLS):
        process = start_training(inputs, killed, config, BY_THE_CLOCK)
        if kill % 7 == 3:
            time.sleep(moments.uniform(1, 12))  # it is starting, or has just begun
        else:
            share = moments.uniform(0.2, 1.8) * (390 - steps_noted(killed)) / (KILLS - kill + 1)
            wait_for_steps(process, killed, min(steps_noted(killed) + 1 + round(share), 390))
            time.sleep(moments.uniform(0, 0.3))
        kill_group(process)

    check_same_end(run_training(*inputs, str(killed), config, BY_THE_CLOCK), expected, killed, undisturbed)
    validations = [json.loads(line) for line in (killed / "validation.jsonl").read_text().splitlines()]
    assert [line["step"] for line in validations] == list(range(50, 401, 50))
    best = json.loads((killed / "checkpoints" / "best" / "checkpoint.json").read_text())
    lowest = min(validations, key=lambda line: line["loss"])
    assert (best["step"], best["loss"]) == (lowest["step"], pytest.approx(lowest["loss"], abs=1e-6))


def check_same_end(manifest: Manifest, expected: Manifest, folder: Path, undisturbed: Path) -> None:
    """The run in ``folder``, which was killed, has come to the end of the one in ``undisturbed``."""
    for name in ("losses.jsonl", "validation.jsonl"):
        assert (folder / name).read_text() == (undisturbed / name).read_text()
    assert digests(manifest) == digests(expected)
    status = read_status(str(folder))
    assert status is not None
    assert (status.state, status.exit_code) == ("finished", 0)
    assert status.resumed_from > 0


def start_training(
    inputs: tuple[str, str], folder: Path, config: TrainingConfig = CONFIG, checkpoints: CheckpointConfig = CHECKPOINTS
) -> "subprocess.Popen[bytes]":
    """Trains in a process group of its own, as a task of Airflow does."""
    program = (
        "from threadmill.training.config import CheckpointConfig, TrainingConfig\n"
        "from threadmill.training.stage import run_training\n"
        f"run_training({inputs[0]!r}, {inputs[1]!r}, {str(folder)!r}, {config!r}, {checkpoints!r})"
    )
    return subprocess.Popen([sys.executable, "-c", program], start_new_session=True, stderr=subprocess.DEVNULL)


def kill_in_the_middle(
    inputs: tuple[str, str],
    folder: Path,
    after_steps: int,
    config: TrainingConfig = CONFIG,
    checkpoints: CheckpointConfig = CHECKPOINTS,
) -> None:
    process = start_training(inputs, folder, config, checkpoints)
    wait_for_steps(process, folder, after_steps)
    kill_group(process)


def wait_for_steps(process: "subprocess.Popen[bytes]", folder: Path, steps: int) -> None:
    while steps_noted(folder) < steps:
        assert process.poll() is None, "it ended before it could be killed"
        time.sleep(0.02)


def steps_noted(folder: Path) -> int:
    losses = folder / "losses.jsonl"
    return losses.read_bytes().count(b"\n") if losses.exists() else 0


def kill_group(process: "subprocess.Popen[bytes]") -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def digests(manifest: Manifest) -> list[tuple[str, str]]:
    return [(shard.name, shard.sha256) for shard in manifest.shards]
