"""What TensorFlow does with our modules, found out in one process of its own: importing TensorFlow costs seconds.

``python -m tests.training.tensorflow_facts FOLDER`` writes FOLDER/facts.json, from which the tests read.
"""

import os
import sys
from pathlib import Path
from typing import Any

os.environ.update(KERAS_BACKEND="tensorflow", TF_CPP_MIN_LOG_LEVEL="3")

import keras
import keras_hub
import numpy as np
import orjson

from tests.training.made import FIRST, PREDICTIONS, SEQ, TOKENS
from threadmill.errors import ThreadmillError
from threadmill.training.models.build import build_model, call_model
from threadmill.training.models.presets import PRESETS, ModelSizes


def model_facts(model: Any) -> dict[str, Any]:
    outputs = call_model(model, made_inputs(), training=False)
    states = [variable.path for variable in model.variables if "seed_generator" in variable.path]
    return {
        "parameters": sum(int(np.prod(variable.shape)) for variable in model.trainable_variables),
        "outputs": {name: [value.dtype.name, *value.shape] for name, value in outputs.items()},
        "random states": len(states),
    }


def roberta_facts(model: Any, path: Path) -> dict[str, Any]:
    """The model beside KerasHub's own RoBERTa of the same weights, and beside itself saved and loaded."""
    preset = PRESETS["roberta-tiny"]
    backbone = keras_hub.models.RobertaBackbone(
        *(TOKENS, preset.num_layers, preset.num_heads, preset.hidden_dim, preset.intermediate_dim), max_sequence_length=SEQ
    )
    task = keras_hub.models.RobertaMaskedLM(backbone)
    task.set_weights(model.get_weights())
    inputs = {name: value for name, value in made_inputs().items() if name != "segment_ids"}
    outputs = model(inputs)["masked_lm"]
    model.save(path)
    loaded = keras.models.load_model(path)
    return {
        "difference from KerasHub's": float(np.abs(outputs - task(inputs)).max()),
        "KerasHub's parameters": task.count_params(),
        "difference when loaded": float(np.abs(outputs - loaded(inputs)["masked_lm"]).max()),
        "parameters when loaded": sum(int(np.prod(variable.shape)) for variable in loaded.trainable_variables),
    }


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
    model = build_model(PRESETS["bert-tiny"], ModelSizes(TOKENS, SEQ, next_sentence=True), 0.1)
    roberta_model = build_model(PRESETS["roberta-tiny"], ModelSizes(TOKENS, SEQ), 0.1)
    facts = {
        "model": model_facts(model),
        "model without next sentence": model_facts(build_model(PRESETS["bert-tiny"], ModelSizes(TOKENS, SEQ), 0.1)),
        "roberta": {**model_facts(roberta_model), **roberta_facts(roberta_model, folder / "roberta.keras")},
    }
    (folder / "facts.json").write_bytes(orjson.dumps(facts))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
