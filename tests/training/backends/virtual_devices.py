"""Trains on virtual devices of this machine's CPU, in a process of its own: they are made before the libraries start.

``python -m tests.training.backends.virtual_devices BACKEND DISTRIBUTION...`` prints for each distribution a line of JSON.
"""

import os
import sys
from typing import Any

os.environ.update(KERAS_BACKEND=sys.argv[1], TF_CPP_MIN_LOG_LEVEL="3", THREADMILL_VIRTUAL_DEVICES="4")
os.environ["XLA_FLAGS"] = "--xla_backend_optimization_level=0"

import keras
import numpy as np
import orjson

from threadmill.training.backends.backend import get_backend
from threadmill.training.config import TrainingConfig
from threadmill.training.models.build import build_model
from threadmill.training.models.presets import BERT, ModelPreset, ModelSizes
from threadmill.training.optimizers.build import build_optimizer, build_schedule

STEPS, TOKENS, SEQ, PREDICTIONS, BATCH = 10, 22, 8, 3, 16  # 4 devices do not share the vocabulary evenly
PRESET = ModelPreset(1, 16, 4, 32, 1e-3, architecture=BERT)


def trained(backend_name: str, distribution: str) -> dict[str, Any]:
    """The losses of some steps with two parts of a batch, and the state after them.

    Args:
        distribution: of the config; "model 2" for two copies of two devices each.
    """
    kind, *together = distribution.split()
    config = TrainingConfig(
        model="bert-tiny",
        steps=STEPS,
        batch_size=BATCH,
        gradient_accumulation=2,
        learning_rate=1e-2,
        dropout=0.0,
        clip_norm=0.5,
        backend=backend_name,
        distribution=kind,
        model_parallel=int(together[0]) if together else 0,
    )
    keras.utils.clear_session(free_memory=False)
    backend = get_backend(backend_name)
    backend.prepare(config)
    with backend.scope():
        model = build_model(PRESET, ModelSizes(TOKENS, SEQ, next_sentence=True), config.dropout)
        optimizer = build_optimizer(config, build_schedule(config), model)
    trainer = backend.trainer(model, optimizer, config)
    begin = trainer.state()
    measures = np.concatenate([np.asarray(trainer.run(*batches(step))) for step in range(0, STEPS, 2)])
    trainer.synchronise()
    inputs, labels = ({name: values[0] for name, values in group.items()} for group in batches(0))
    state = trainer.state()
    trainer.load(begin)  # as a run that goes on does
    return {
        "devices": backend.devices.count,
        "measures": measures.tolist(),
        "scores": backend.scorer(model)(inputs, labels),
        "state": {name: values.astype(np.float64).ravel().tolist() for name, values in state.items() if "seed" not in name},
        "shared": shared(model) if backend_name == "jax" else {},
        "again": np.asarray(trainer.run(*batches(0))).tolist(),
    }


def shared(model: Any) -> dict[str, list[int]]:
    """The shape of each variable on one device, where that is not the whole."""
    whole = {variable.path: tuple(variable.shape) for variable in model.trainable_variables}
    shapes = {variable.path: variable.value.addressable_shards[0].data.shape for variable in model.trainable_variables}
    return {name: list(shape) for name, shape in shapes.items() if shape != whole[name]}


def batches(first: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """Two batches stacked, whose sequences have 1 to 3 masked tokens: a mean of the devices' means would be another."""
    rng = np.random.default_rng(first)
    tokens = rng.integers(5, TOKENS, (2, BATCH, SEQ), dtype=np.int32)
    weights = (np.arange(PREDICTIONS) <= np.arange(BATCH)[:, None] // 6).astype(np.float32)
    inputs = {
        "token_ids": tokens,
        "segment_ids": np.zeros_like(tokens),
        "padding_mask": np.ones_like(tokens),
        "mask_positions": np.tile(np.arange(PREDICTIONS, dtype=np.int32), (2, BATCH, 1)),
    }
    labels = {
        "masked_lm_ids": tokens[..., :PREDICTIONS],
        "masked_lm_weights": np.tile(weights, (2, 1, 1)),
        "next_sentence_labels": rng.integers(2, size=(2, BATCH), dtype=np.int32),
    }
    return inputs, labels


if __name__ == "__main__":
    for distribution in sys.argv[2:]:
        sys.stdout.write(orjson.dumps(trained(sys.argv[1], distribution)).decode() + "\n")
        sys.stdout.flush()
