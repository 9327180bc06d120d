"""Makes small models of each architecture in sight of the tests, and rows of packed sequences for them."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import keras
import numpy as np

from threadmill.training.backends.compiled import compiled
from threadmill.training.models.build import build_model
from threadmill.training.models.presets import BERT, CAUSAL, ENCODER_DECODER, ROBERTA, ModelPreset, ModelSizes

TOKENS = 30

# No two dimensions are equal, so that none can be taken for another.
_DIMENSIONS = {"num_layers": 2, "hidden_dim": 24, "num_heads": 3, "intermediate_dim": 40, "learning_rate": 1e-3}
SMALL = {
    "bert": (ModelPreset(**_DIMENSIONS, architecture=BERT), ModelSizes(TOKENS, 16, next_sentence=True)),
    "bert without next sentence": (ModelPreset(**_DIMENSIONS, architecture=BERT), ModelSizes(TOKENS, 16)),
    "roberta": (ModelPreset(**_DIMENSIONS, architecture=ROBERTA), ModelSizes(TOKENS, 16)),
    "pre-norm": (
        ModelPreset(**_DIMENSIONS, architecture=ENCODER_DECODER, encoder_layers=1, normalize_first=True),
        ModelSizes(TOKENS, 20, 12),
    ),
    "post-norm": (
        ModelPreset(**_DIMENSIONS, architecture=ENCODER_DECODER, encoder_layers=1),
        ModelSizes(TOKENS, 20, 12),
    ),
    "causal": (ModelPreset(**_DIMENSIONS, architecture=CAUSAL, normalize_first=True), ModelSizes(TOKENS, 20)),
}

# Three sequences in the first row, two and padding in the second.
_PAIRS = {
    "encoder_token_ids": [[5, 6, 7, 8, 9, 10, 11, 12, 13, 14], [15, 16, 17, 18, 19, 20, 21, 0, 0, 0]],
    "encoder_segment_ids": [[1, 1, 1, 1, 2, 2, 3, 3, 3, 3], [1, 1, 2, 2, 2, 2, 2, 0, 0, 0]],
    "decoder_token_ids": [[2, 22, 23, 2, 24, 2, 25, 26], [2, 27, 28, 2, 29, 6, 0, 0]],
    "decoder_segment_ids": [[1, 1, 1, 2, 2, 3, 3, 3], [1, 1, 1, 2, 2, 2, 0, 0]],
}
PACKED = {
    "pre-norm": _PAIRS,
    "post-norm": _PAIRS,
    "causal": {"token_ids": _PAIRS["encoder_token_ids"], "segment_ids": _PAIRS["encoder_segment_ids"]},
}


def filled(model: Any, seed: int = 0) -> Any:
    """The model with weights of which none is 0 or 1 by its making, so that one that is not used shows."""
    rng = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        center = 1.0 if variable.path.endswith("gamma") else 0.0
        variable.assign(rng.normal(center, 0.2, variable.shape))
    return model


def outputs_of(model: Any, inputs: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """The model's outputs without dropout, compiled: JAX takes longer for its operations one by one."""
    outputs = _call(model)({name: np.asarray(values, np.int32) for name, values in inputs.items()})
    return {name: keras.ops.convert_to_numpy(values) for name, values in outputs.items()}


@cache
def _call(model: Any) -> Any:
    return compiled(lambda batch: model(batch, training=False), model.variables)


@cache
def _built(kind: str) -> Any:
    return build_model(*SMALL[kind], dropout=0.1)


def made_model(kind: str) -> Any:
    """A model of `SMALL`, built once a process: with the same weights each time."""
    return filled(_built(kind))
