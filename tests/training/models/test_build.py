"""Every architecture as it is built: its parameters, its outputs, and what packed sequences see of one another."""

from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np
import pytest

from tests.training.models.made import PACKED, SMALL, TOKENS, made_model, outputs_of
from threadmill.training.models.build import build_model, set_output_bias
from threadmill.training.models.presets import PRESETS, ModelSizes

pytestmark = pytest.mark.keras

MASKED = {
    "token_ids": np.arange(32).reshape(2, 16) % TOKENS,
    "segment_ids": np.arange(32).reshape(2, 16) % 16 // 8,
    "padding_mask": np.ones((2, 16), int),
    "mask_positions": np.arange(6).reshape(2, 3),
}


def batch_for(kind: str, model: Any) -> dict[str, Any]:
    return PACKED[kind] if kind in PACKED else {name: MASKED[name] for name in model.input}


def trainable(model: Any) -> int:
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


@pytest.mark.parametrize("kind", SMALL)
def test_model_has_the_parameters_that_its_preset_tells(kind: str) -> None:
    preset, sizes = SMALL[kind]

    assert trainable(made_model(kind)) == preset.parameters(sizes)


@pytest.mark.parametrize(
    ("kind", "shapes"),
    [
        ("bert", {"masked_lm": (2, 3, TOKENS), "next_sentence": (2, 2)}),
        ("bert without next sentence", {"masked_lm": (2, 3, TOKENS)}),
        ("roberta", {"masked_lm": (2, 3, TOKENS)}),
        ("pre-norm", {"response": (2, 8, TOKENS)}),
        ("post-norm", {"response": (2, 8, TOKENS)}),
        ("causal", {"next_token": (2, 10, TOKENS)}),
    ],
)
def test_outputs_are_logits_in_float32(kind: str, shapes: dict[str, tuple[int, ...]]) -> None:
    model = made_model(kind)

    outputs = outputs_of(model, batch_for(kind, model))

    assert {name: (values.dtype.name, values.shape) for name, values in outputs.items()} == {
        name: ("float32", shape) for name, shape in shapes.items()
    }


def unpacked(batch: dict[str, list[list[int]]], row: int, segment: int) -> dict[str, list[int]]:
    """One of the sequences packed into a row, as a padded row of its own."""
    alone = {}
    for name in batch:
        if name.endswith("token_ids"):
            of_segments = name.replace("token_ids", "segment_ids")
            pairs = zip(batch[name][row], batch[of_segments][row], strict=True)
            tokens = [token for token, number in pairs if number == segment]
            padding = [0] * (len(batch[name][row]) - len(tokens))
            alone[name], alone[of_segments] = tokens + padding, [1] * len(tokens) + padding
    return alone


@pytest.mark.parametrize("kind", PACKED)
def test_packed_sequences_have_the_logits_that_they_have_alone(kind: str) -> None:
    model, batch = made_model(kind), PACKED[kind]
    packed = [(0, 1), (0, 2), (0, 3), (1, 1), (1, 2)]
    rows = [unpacked(batch, row, segment) for row, segment in packed]

    (together,) = outputs_of(model, batch).values()
    (alone,) = outputs_of(model, {name: [row[name] for row in rows] for name in batch}).values()

    segments = np.array(batch.get("decoder_segment_ids") or batch["segment_ids"])
    for (row, segment), logits in zip(packed, alone, strict=True):
        found = together[row][segments[row] == segment]
        np.testing.assert_allclose(found, logits[: len(found)], atol=1e-5)


@pytest.mark.parametrize("kind", ["pre-norm", "causal"])
def test_a_token_does_not_see_those_behind_it(kind: str) -> None:
    model, tokens = made_model(kind), "decoder_token_ids" if kind == "pre-norm" else "token_ids"
    changed = {**PACKED[kind], tokens: np.array(PACKED[kind][tokens])}
    changed[tokens][0, 2] = 29  # the third token of the first sequence

    ((before,), (after,)) = (outputs_of(model, batch).values() for batch in (PACKED[kind], changed))

    np.testing.assert_array_equal(before[0, :2], after[0, :2])
    assert np.abs(before[0, 2] - after[0, 2]).max() > 0.01


@pytest.mark.parametrize("kind", ["roberta", "pre-norm", "causal"])
def test_saved_model_loads_with_keras_and_kerashub_alone_and_with_its_embedding_shared(tmp_path: Path, kind: str) -> None:
    model = made_model(kind)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")

    batch = batch_for(kind, model)
    before, after = outputs_of(model, batch), outputs_of(loaded, batch)

    assert {type(layer).__module__.split(".")[0] for layer in loaded.layers} <= {"keras", "keras_hub"}
    assert trainable(loaded) == trainable(model)
    for name in before:
        np.testing.assert_allclose(after[name], before[name], rtol=1e-4, atol=1e-5)  # compiled twice


def test_roberta_gives_the_logits_of_kerashubs_own() -> None:
    preset, sizes = SMALL["roberta"]
    dimensions = preset.num_layers, preset.num_heads, preset.hidden_dim, preset.intermediate_dim
    backbone = keras_hub.models.RobertaBackbone(TOKENS, *dimensions, max_sequence_length=sizes.max_seq_length)
    task = keras_hub.models.RobertaMaskedLM(backbone)
    task.set_weights(made_model("roberta").get_weights())
    inputs = {name: MASKED[name] for name in ("token_ids", "padding_mask", "mask_positions")}

    found = outputs_of(made_model("roberta"), inputs)["masked_lm"]

    assert task.count_params() == trainable(made_model("roberta"))
    np.testing.assert_allclose(found, keras.ops.convert_to_numpy(task(inputs)), atol=1e-5)


def test_roberta_has_no_next_sentence() -> None:
    with pytest.raises(ValueError, match="build it with next_sentence=False"):
        build_model(SMALL["roberta"][0], ModelSizes(TOKENS, 16, next_sentence=True), 0.1)


def test_output_bias_is_added_to_the_logits() -> None:
    model = made_model("bert without next sentence")
    batch = batch_for("bert without next sentence", model)
    before = outputs_of(model, batch)["masked_lm"]
    bias = next(variable for variable in model.variables if variable.path == "masked_lm/output_bias")
    was = keras.ops.convert_to_numpy(bias.value)

    set_output_bias(model, was + np.arange(TOKENS))

    after = outputs_of(model, batch)["masked_lm"]
    np.testing.assert_allclose(after, before + np.arange(TOKENS), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "sizes", "published"),
    [
        ("bert-base", ModelSizes(30522, 512, next_sentence=True), 110_106_428),
        ("roberta-base", ModelSizes(50265, 512), 124_695_129),
        ("blender-90m", ModelSizes(54944, 512, 512), 87_508_992),
        ("gpt2", ModelSizes(50257, 1024), 124_439_808),
    ],
)
def test_model_as_built_has_its_published_size(name: str, sizes: ModelSizes, published: int) -> None:
    model = build_model(PRESETS[name], sizes, 0.1)

    assert trainable(model) == published == PRESETS[name].parameters(sizes)
