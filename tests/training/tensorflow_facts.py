"""What TensorFlow does with our modules, found out in one process of its own: importing TensorFlow costs seconds.

``python -m tests.training.tensorflow_facts FOLDER`` writes FOLDER/facts.json, from which the tests read.
"""

import os
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")

import keras
import numpy as np
import orjson
import tensorflow as tf

from tests.training.made import FIRST, PREDICTIONS, RECORDS, SEQ, TOKENS, make_records, make_vocabulary
from threadmill.errors import ThreadmillError
from threadmill.training.checkpoints import Checkpoints
from threadmill.training.config import TrainingConfig
from threadmill.training.export import canonicalise, export_model
from threadmill.training.input import held_out_batches, training_batches
from threadmill.training.losses import LossLog
from threadmill.training.model import build_model
from threadmill.training.objective import objective_sums
from threadmill.training.optimizer import build_optimizer, build_schedule
from threadmill.training.presets import PRESETS
from threadmill.training.recorder import Recorder
from threadmill.training.records import RecordFiles, RecordShape, open_records, record_files
from threadmill.training.status import StatusFile
from threadmill.training.summaries import Summaries


def input_facts(folder: Path) -> dict[str, Any]:
    records = made_records(folder)

    def order(batches: int, seed: int = 1, start: int = 0) -> list[list[list[int]]]:
        taken = zip(range(batches), training_batches(records, 4, seed, start), strict=False)
        return [inputs["token_ids"].numpy().tolist() for _, (inputs, _) in taken]

    keras.utils.set_random_seed(7)
    first = order(12)
    keras.utils.set_random_seed(0)
    inputs, labels = next(training_batches(records, 4, 1))
    held_out = [inputs["token_ids"].numpy().tolist() for inputs, _ in held_out_batches(records, 4, 10)]
    return {
        "order": first,
        "order with another global seed": order(12),
        "order of another seed": order(12, seed=2),
        "order from batch 5": order(7, start=5),
        "order from batch 8": order(4, start=8),
        "held out": held_out,
        "shapes": {name: [value.dtype.name, *value.shape] for name, value in {**inputs, **labels}.items()},
    }


def damaged_facts(folder: Path) -> dict[str, str]:
    records = made_records(folder)
    content = Path(records.files[0]).read_bytes()
    Path(records.files[0]).write_bytes(content[:300] + b"x" + content[301:])
    whole = replace(records, files=records.files[1:])
    longer = replace(whole, shape=RecordShape(SEQ + 1, PREDICTIONS))
    facts = {
        "damaged": raised(lambda: list(held_out_batches(records, 4, 10))),
        "other shape": raised(lambda: list(held_out_batches(longer, 4, 10))),
    }
    Path(records.files[1]).unlink()
    return {**facts, "gone": raised(lambda: list(training_batches(whole, 4, 1)))}


def model_facts(model: Any) -> dict[str, Any]:
    outputs = model(made_inputs())
    states = [variable.path for variable in model.variables if "seed_generator" in variable.path]
    return {
        "parameters": sum(int(np.prod(variable.shape)) for variable in model.trainable_variables),
        "outputs": {name: [value.dtype.name, *value.shape] for name, value in outputs.items()},
        "random states": len(states),
    }


def objective_facts() -> dict[str, float]:
    """Two sequences of two predictions over three tokens; the last prediction is padding."""
    logits = np.log(np.array([[[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]], [[0.2, 0.2, 0.6], [0.9, 0.05, 0.05]]], np.float32))
    sentences = np.log(np.array([[0.5, 0.5], [0.25, 0.75]], np.float32))
    labels = {
        "masked_lm_ids": np.array([[0, 2], [2, 1]], np.int32),
        "masked_lm_weights": np.array([[1, 1], [1, 0]], np.float32),
        "next_sentence_labels": np.array([0, 1], np.int32),
    }
    sums = objective_sums({"masked_lm": tf.constant(logits), "next_sentence": tf.constant(sentences)}, labels)
    return {name: float(value) for name, value in sums.items()}


def optimizer_facts() -> dict[str, Any]:
    schedule = build_schedule(TrainingConfig(steps=10, learning_rate=1.0, warmup_steps=4))
    constant = build_schedule(TrainingConfig(steps=4, learning_rate=1.0, warmup_steps=0))
    config = TrainingConfig(steps=10, learning_rate=0.1, warmup_steps=0, weight_decay=0.5)
    model = build_model(PRESETS["bert-tiny"], TOKENS, SEQ, 0.1)
    optimizer = build_optimizer(config, build_schedule(config), model)
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    gradients = [tf.zeros(variable.shape) for variable in model.trainable_variables]
    optimizer.apply(gradients, model.trainable_variables)
    after = {variable.path: float(np.ravel(variable.numpy())[0]) for variable in model.trainable_variables}
    return {
        "rates": [float(schedule(step)) for step in range(10)],
        "rates without warm-up": [float(constant(step)) for step in range(4)],
        "after a step of decay alone": after,
    }


def checkpoint_facts(folder: Path) -> dict[str, Any]:
    variable = keras.Variable(np.zeros(3), name="weights")

    def opened() -> Checkpoints:
        return Checkpoints(str(folder), [variable], keep=3)

    checkpoints = opened()
    facts: dict[str, Any] = {"of nothing": checkpoints.restore(at_most=100)}
    for step in (10, 20, 30, 40, 50):
        variable.assign(np.full(3, step))
        checkpoints.save(step)
    facts["kept"] = checkpoints.steps
    facts["files"] = sorted(path.name for path in folder.iterdir())
    (folder / "step-60_temp").mkdir()  # as a kill in the middle of a save leaves it
    (folder / "step-60.data-00000-of-00001").write_bytes(b"half")
    facts["newest"] = [opened().restore(at_most=100), float(variable[0])]
    facts["files after a kill"] = sorted(path.name for path in folder.iterdir())
    facts["before the log's end"] = [opened().restore(at_most=45), float(variable[0])]
    data = folder / "step-50.data-00000-of-00001"
    data.write_bytes(b"\0" * data.stat().st_size)
    facts["newest is damaged"] = [opened().restore(at_most=100), float(variable[0])]
    return facts


def export_facts(folder: Path, model: Any) -> dict[str, Any]:
    export_model(model, str(folder / "first"))
    model.save(folder / "second.keras")
    canonicalise(str(folder / "second.keras"), str(folder / "canonical.keras"))
    loaded = keras.models.load_model(folder / "first" / "model.keras")
    before, after = model(made_inputs()), loaded(made_inputs())
    with zipfile.ZipFile(folder / "first" / "model.keras") as archive:
        names = archive.namelist()
    return {
        "equal bytes": (folder / "first" / "model.keras").read_bytes() == (folder / "canonical.keras").read_bytes(),
        "equal bytes as saved": (folder / "second.keras").read_bytes() == (folder / "canonical.keras").read_bytes(),
        "entries": names,
        "files": sorted(path.name for path in (folder / "first").iterdir()),
        "difference": max(float(np.abs(before[name] - after[name]).max()) for name in before),
        "parameters": loaded.count_params() - model.count_params(),
    }


def recorder_facts(folder: Path) -> dict[str, Any]:
    config = TrainingConfig(steps=10)
    with LossLog(str(folder / "losses.jsonl")) as losses:
        recorder = Recorder(losses, StatusFile(str(folder)), Summaries(str(folder)), build_schedule(config), config)
        recorder.add(1, tf.constant([1.1, 0.7, 0.4, 2.5]))
        recorder.add(2, tf.constant([float("nan"), float("nan"), 0.4, float("nan")]))
        first = raised(recorder.record)
        recorder.saved = 1
        recorder.add(2, tf.constant([0.9, 0.5, 0.4, float("inf")]))
        second = raised(recorder.record)
    return {"log": (folder / "losses.jsonl").read_text(), "without a checkpoint": first, "with one": second}


def made_records(folder: Path) -> RecordFiles:
    vocabulary = make_vocabulary(folder / "vocabulary", TOKENS)
    return record_files(open_records(make_records(folder / "records", vocabulary, RECORDS).uri), "train")


def made_inputs() -> dict[str, Any]:
    tokens = np.arange(2 * SEQ).reshape(2, SEQ) % TOKENS
    ones = np.ones((2, SEQ), np.int32)
    positions = np.arange(2 * PREDICTIONS).reshape(2, PREDICTIONS)
    return {"token_ids": tokens, "segment_ids": ones // FIRST, "padding_mask": ones, "mask_positions": positions}


def raised(work: Any) -> str:
    try:
        work()
    except ThreadmillError as error:
        return f"{type(error).__name__}: {error}"
    return "nothing"


def main(folder: Path) -> None:
    keras.utils.set_random_seed(3)
    model = build_model(PRESETS["bert-tiny"], TOKENS, SEQ, 0.1)
    for name in ("export", "recorder"):
        (folder / name).mkdir()
    facts = {
        "input": input_facts(folder / "input"),
        "damaged": damaged_facts(folder / "damaged"),
        "model": model_facts(model),
        "objective": objective_facts(),
        "optimizer": optimizer_facts(),
        "checkpoints": checkpoint_facts(folder / "checkpoints"),
        "export": export_facts(folder / "export", model),
        "recorder": recorder_facts(folder / "recorder"),
    }
    (folder / "facts.json").write_bytes(orjson.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
