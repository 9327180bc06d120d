from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.training.models.made import SMALL, filled, made_model, outputs_of
from threadmill.training.models.build import build_model
from threadmill.training.models.decoding import Decoder, make_decoder
from threadmill.training.models.next_token import NextToken

pytestmark = pytest.mark.keras

CONTEXTS = [[5, 6, 7, 8, 9], [10], [11, 12, 13]]
STEPS = 4


@cache
def decoder_of(kind: str) -> Decoder:
    """Compiled once; it reads the weights of `made_model`."""
    return make_decoder(made_model(kind))


def whole(model: Any, contexts: list[list[int]], tokens: list[list[int]]) -> np.ndarray:
    """float32[B, T, V]: the logits after ``tokens`` by the whole model; a causal one's first stand at the contexts' ends."""
    length = 8
    if "response" in model.output:
        rows = np.array([context + [0] * (length - len(context)) for context in contexts])
        names = ("encoder_token_ids", "encoder_segment_ids", "decoder_token_ids", "decoder_segment_ids")
        return outputs_of(model, dict(zip(names, (rows, np.sign(rows), tokens, np.ones_like(tokens)), strict=True)))["response"]
    texts = [context[:-1] + row for context, row in zip(contexts, tokens, strict=True)]
    rows = np.array([text + [0] * (length - len(text)) for text in texts])
    logits = outputs_of(model, {"token_ids": rows, "segment_ids": np.sign(rows)})["next_token"]
    starts = [len(context) - 1 for context in contexts]
    return np.stack([row[start : start + STEPS] for row, start in zip(logits, starts, strict=True)])


def first_tokens(kind: str) -> list[int]:
    return [context[-1] if kind == "causal" else 2 for context in CONTEXTS]


def decoded(next_token: NextToken, kind: str) -> np.ndarray:
    """float32[B, T, V], of some tokens, one by one; each row goes on from itself."""
    columns = [first_tokens(kind), [14, 15, 16], [17, 18, 19], [20, 21, 22]]
    return np.stack([next_token(np.arange(3), np.array(column)) for column in columns], axis=1)


@pytest.mark.parametrize("kind", ["pre-norm", "post-norm", "causal"])
def test_logits_token_by_token_are_those_of_the_whole_model(kind: str) -> None:
    found = decoded(decoder_of(kind).read(CONTEXTS, STEPS), kind)

    tokens = [[first, 14 + row, 17 + row, 20 + row] for row, first in enumerate(first_tokens(kind))]
    np.testing.assert_allclose(found, whole(made_model(kind), CONTEXTS, tokens), atol=1e-5)


@pytest.mark.parametrize("kind", ["pre-norm", "causal"])
def test_rows_go_on_from_any_row_of_the_step_before(kind: str) -> None:
    next_token, of = decoder_of(kind).read(CONTEXTS, STEPS), [2, 0, 0]
    first = [first_tokens(kind)[context] for context in of]

    next_token(np.array(of), np.array(first))
    next_token(np.array([0, 2, 1]), np.array([14, 15, 16]))  # of the contexts 2, 0 and 0
    found = next_token(np.array([1, 1, 0]), np.array([18, 19, 20]))  # of 0, 0 and 2

    tokens = [[first[2], 15, 18, 0], [first[2], 15, 19, 0], [first[0], 14, 20, 0]]
    logits = whole(made_model(kind), [CONTEXTS[context] for context in (0, 0, 2)], tokens)
    np.testing.assert_allclose(found, logits[:, 2], atol=1e-5)


def test_saved_and_loaded_model_decodes_as_it_did(tmp_path: Path) -> None:
    made_model("post-norm").save(tmp_path / "model.keras")
    loaded = make_decoder(keras.models.load_model(tmp_path / "model.keras"))

    before, after = (decoded(decoder.read(CONTEXTS, STEPS), "post-norm") for decoder in (decoder_of("post-norm"), loaded))

    np.testing.assert_array_equal(before, after)


def test_weights_are_those_of_the_moment() -> None:
    model, decoder = made_model("pre-norm"), decoder_of("pre-norm")
    before = decoded(decoder.read(CONTEXTS, STEPS), "pre-norm")

    filled(model, seed=1)

    after = decoded(decoder.read(CONTEXTS, STEPS), "pre-norm")
    tokens = [[2, 14 + row, 17 + row, 20 + row] for row in range(3)]
    assert np.abs(after - before).max() > 0.1
    np.testing.assert_allclose(after, whole(model, CONTEXTS, tokens), atol=1e-5)


@pytest.mark.parametrize("kind", ["pre-norm", "causal"])
def test_more_tokens_than_positions_are_refused(kind: str) -> None:
    positions, decoder = SMALL[kind][1].positions, decoder_of(kind)

    with pytest.raises(ValueError, match=f"the model has {positions} positions"):
        decoder.read(CONTEXTS, positions + 1)
    with pytest.raises(ValueError, match=f"{positions + 1} tokens are asked for"):
        decoder.read([[7] * (positions + 1)], 1)
    next_token = decoder.read(CONTEXTS, STEPS)
    decoded(next_token, kind)
    with pytest.raises(ValueError, match="4 tokens were asked for, and all are decoded"):
        next_token(np.arange(3), np.array([14, 15, 16]))


def test_mixed_precision_decodes_with_logits_in_float32() -> None:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = filled(build_model(*SMALL["pre-norm"], 0.1))
    finally:
        keras.config.set_dtype_policy(before)

    found = decoded(make_decoder(model).read(CONTEXTS, STEPS), "pre-norm")

    tokens = [[2, 14 + row, 17 + row, 20 + row] for row in range(3)]
    expected = whole(model, CONTEXTS, tokens)
    assert found.dtype == expected.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=0.1)
