"""The trainer of the backend that the environment names: its updates, its state, and what changes neither."""

from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

from threadmill.errors import ConfigError
from threadmill.training.backends.backend import Backend, Devices, choose_devices, get_backend
from threadmill.training.config import TrainingConfig
from threadmill.training.models.build import build_model
from threadmill.training.models.presets import BERT, ModelPreset, ModelSizes
from threadmill.training.optimizers.build import build_optimizer, build_schedule

pytestmark = pytest.mark.keras

TOKENS, SEQ, PREDICTIONS, BATCH = 24, 12, 3, 8
PRESET = ModelPreset(1, 16, 2, 32, 1e-3, architecture=BERT)
CONFIG = TrainingConfig(
    model="bert-tiny", steps=20, batch_size=BATCH, learning_rate=1e-2, dropout=0.0, backend=keras.backend.backend()
)
DROPOUT = replace(CONFIG, dropout=0.2)


@pytest.fixture(autouse=True)
def _policy() -> Any:
    yield
    keras.config.set_dtype_policy("float32")


def made_trainer(config: TrainingConfig) -> tuple[Backend, Any, Any]:
    """The backend, and a model with two heads in training on it."""
    backend = get_backend(config.backend)
    keras.utils.clear_session(free_memory=False)
    backend.prepare(config)
    with backend.scope():
        model = build_model(PRESET, ModelSizes(TOKENS, SEQ, next_sentence=True), config.dropout)
        optimizer = build_optimizer(config, build_schedule(config), model)
    return backend, model, backend.trainer(model, optimizer, config)


def batches(count: int, seed: int = 0) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """``count`` batches stacked; the second half of each has fewer masked tokens."""
    rng = np.random.default_rng(seed)
    tokens = rng.integers(5, TOKENS, (count, BATCH, SEQ), dtype=np.int32)
    weights = np.ones((count, BATCH, PREDICTIONS), np.float32)
    weights[:, BATCH // 2 :, 1:] = 0
    inputs = {
        "token_ids": tokens,
        "segment_ids": np.zeros_like(tokens),
        "padding_mask": np.ones_like(tokens),
        "mask_positions": np.tile(np.arange(PREDICTIONS, dtype=np.int32), (count, BATCH, 1)),
    }
    labels = {
        "masked_lm_ids": tokens[..., :PREDICTIONS],
        "masked_lm_weights": weights,
        "next_sentence_labels": rng.integers(2, size=(count, BATCH), dtype=np.int32),
    }
    return inputs, labels


def part(batch: dict[str, np.ndarray], begin: int, end: int) -> dict[str, np.ndarray]:
    return {name: values[begin:end] for name, values in batch.items()}


def run(trainer: Any, steps: int, together: int = 1, start: int = 0) -> np.ndarray:
    """float32[steps, M]"""
    inputs, labels = batches(20)
    ends = range(start, start + steps, together)
    return np.concatenate(
        [np.asarray(trainer.run(part(inputs, at, at + together), part(labels, at, at + together))) for at in ends]
    )


def test_measures_are_the_loss_its_terms_and_the_norm() -> None:
    _, _, trainer = made_trainer(CONFIG)
    measures = run(trainer, 20)

    assert trainer.measures == ("loss", "masked_loss", "next_sentence_loss", "gradient_norm")
    np.testing.assert_allclose(measures[:, 0], measures[:, 1] + measures[:, 2], rtol=1e-6)
    assert measures[0, 1] == pytest.approx(np.log(TOKENS), abs=0.2)
    assert measures[0, 2] == pytest.approx(np.log(2), abs=0.2)
    assert measures[-1, 1] < measures[0, 1] - 0.05  # it learns
    assert (measures[:, 3] > 0).all()


def test_run_is_repeated_bit_for_bit() -> None:
    _, _, trainer = made_trainer(DROPOUT)
    _, _, again = made_trainer(DROPOUT)

    assert np.array_equal(run(trainer, 6), run(again, 6))
    assert_equal_states(trainer.state(), again.state())


def test_state_holds_all_that_the_next_steps_depend_on() -> None:
    _, _, trainer = made_trainer(DROPOUT)
    run(trainer, 3)
    state = trainer.state()
    expected = run(trainer, 3, start=3)
    _, _, other = made_trainer(replace(DROPOUT, seed=5))
    other.load(state)

    assert np.array_equal(run(other, 3, start=3), expected)
    assert_equal_states(other.state(), trainer.state())
    assert any("seed_generator" in name for name in state)
    assert {name.split("/")[0] for name in state} == {"model", "optimizer"}


def test_state_of_another_model_is_refused() -> None:
    _, _, trainer = made_trainer(CONFIG)
    state = trainer.state()
    name = next(name for name in state if name.endswith("token_embedding/embeddings"))

    with pytest.raises(
        ConfigError, match=r"another model or optimizer: .*embeddings has the shape \(3, 16\), wanted is \(24, 16\)"
    ):
        trainer.load({**state, name: np.zeros((3, 16), np.float32)})


def test_steps_in_one_call_are_those_one_by_one() -> None:
    _, _, one_by_one = made_trainer(DROPOUT)
    _, _, together = made_trainer(DROPOUT)

    np.testing.assert_allclose(run(one_by_one, 8), run(together, 8, together=4), rtol=2e-5)
    assert_close_states(one_by_one.state(), together.state())


def test_accumulated_gradients_make_the_update_of_the_undivided_batch() -> None:
    _, _, whole = made_trainer(CONFIG)
    _, _, divided = made_trainer(replace(CONFIG, gradient_accumulation=4))

    np.testing.assert_allclose(run(whole, 6), run(divided, 6), rtol=2e-5)
    assert_close_states(whole.state(), divided.state())


def test_gradients_are_clipped_to_the_norm_and_their_own_norm_is_told() -> None:
    _, _, trainer = made_trainer(replace(CONFIG, clip_norm=1e-4))
    _, _, free = made_trainer(replace(CONFIG, clip_norm=1e6))
    before = trainer.state()
    norms = run(trainer, 1)[0, -1], run(free, 1)[0, -1]

    assert norms[0] == pytest.approx(norms[1], rel=1e-6)
    moments = [values for name, values in trainer.state().items() if "momentum" in name]
    total = np.sqrt(sum(float(np.square(values / 0.1).sum()) for values in moments))  # Adam's first: 0.1 times the gradient
    assert total == pytest.approx(1e-4, rel=1e-4)
    assert before.keys() == trainer.state().keys()


def test_model_and_scores_follow_the_trainer() -> None:
    backend, model, trainer = made_trainer(DROPOUT)
    score = backend.scorer(model)
    inputs, labels = batches(1)
    one = {name: values[0] for name, values in inputs.items()}, {name: values[0] for name, values in labels.items()}
    first = score(*one)
    run(trainer, 5)
    trainer.synchronise()
    second = score(*one)
    state = trainer.state()

    assert first["sequences"] == first["next_sentence_weight"] == BATCH
    assert first["masked_weight"] == 4 * 3 + 4 * 1
    assert second["masked_loss"] < first["masked_loss"]
    assert score(*one) == second  # no dropout
    assert all(np.array_equal(variable.numpy(), state[f"model/{variable.path}"]) for variable in model.variables)
    halves = [score(part(one[0], *rows), part(one[1], *rows)) for rows in ((0, 5), (5, BATCH))]
    assert sum(half["masked_loss"] for half in halves) == pytest.approx(second["masked_loss"], rel=1e-5)
    run(trainer, 2)  # the model's variables were only lent


def test_bfloat16_computes_with_float32_weights_and_losses() -> None:
    _, model, trainer = made_trainer(replace(CONFIG, precision="bfloat16"))
    measures = run(trainer, 4)
    _, _, single = made_trainer(CONFIG)

    assert {str(values.dtype) for name, values in trainer.state().items() if "seed" not in name and "iteration" not in name} == {
        "float32"
    }
    assert model.get_layer(index=-1).compute_dtype in ("float32", "bfloat16")
    assert str(measures.dtype) == "float32"
    np.testing.assert_allclose(measures[:, 0], run(single, 4)[:, 0], rtol=0.02)
    assert not np.array_equal(measures[:, 0], run(single, 4)[:, 0])


def test_devices_that_do_not_share_a_batch_are_refused() -> None:
    config = replace(CONFIG, distribution="data", gradient_accumulation=4)

    with pytest.raises(
        ConfigError, match=r"batch_size is 8, which 4 devices in 4 parts each do not share evenly; set a multiple of 16"
    ):
        choose_devices(config, Devices(4, "GPU"))
    assert choose_devices(replace(config, distribution="auto"), Devices(2, "GPU")) == Devices(2, "GPU")
    assert choose_devices(replace(config, distribution="auto"), Devices(4, "CPU")) == Devices(1, "CPU")
    assert choose_devices(replace(config, distribution="one"), Devices(3, "GPU")) == Devices(1, "GPU")
    model = replace(CONFIG, backend="jax", distribution="model", model_parallel=3)
    with pytest.raises(ConfigError, match="model_parallel is 3, which 4 devices of this machine are no multiple of"):
        choose_devices(model, Devices(4, "GPU"))


def assert_equal_states(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    assert [name for name in one if not np.array_equal(one[name], other[name])] == []


def assert_close_states(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-3, atol=1e-5, err_msg=name)
