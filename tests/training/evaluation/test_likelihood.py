import keras
import numpy as np
import pytest

from threadmill.training.evaluation import likelihood
from threadmill.training.evaluation.likelihood import ResponseLikelihood
from threadmill.training.models.build import build_model
from threadmill.training.models.presets import ENCODER_DECODER, ModelPreset, ModelSizes

pytestmark = pytest.mark.keras

PRESET = ModelPreset(1, 16, 2, 32, 1e-3, architecture=ENCODER_DECODER, encoder_layers=1, normalize_first=True)
SEQ, TARGET, TOKENS, CLS = 10, 20, 30, 2


def test_likelihoods_are_those_of_the_whole_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(likelihood, "_LOGITS", 16 * TOKENS * 5)  # batches of a few pairs, the last one not full
    monkeypatch.setattr(likelihood, "_CONTEXTS", 3)
    keras.utils.set_random_seed(1)
    model = build_model(PRESET, ModelSizes(TOKENS, SEQ, TARGET), 0.1)
    rng = np.random.default_rng(1)
    contexts = [rng.integers(5, TOKENS, size).tolist() for size in (1, 4, 10, 7)]
    responses = [[*rng.integers(5, TOKENS, size), 3] for size in (1, 8, 19, 7, 3, 12)]

    found = ResponseLikelihood(model, TOKENS, CLS, SEQ, TARGET)(contexts, responses)

    for row, context in enumerate(contexts):
        for column, response in enumerate(responses):
            assert found[row, column] == pytest.approx(whole(model, context, response), rel=1e-4)


def whole(model: keras.Model, context: list[int], response: list[int]) -> float:
    """The log-likelihood of one response alone, by the model as it was trained."""
    inputs = {
        "encoder_token_ids": np.array([context]),
        "encoder_segment_ids": np.ones((1, len(context)), int),
        "decoder_token_ids": np.array([[CLS, *response[:-1]]]),
        "decoder_segment_ids": np.ones((1, len(response)), int),
    }
    logits = keras.ops.convert_to_numpy(model(inputs)["response"])[0].astype(np.float64)
    logarithms = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return float(logarithms[np.arange(len(response)), response].sum())
