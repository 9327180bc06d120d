"""The trainer of the backend that the environment names: its updates, its state, and what changes neither."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import pytest

from threadmill.errors import ConfigError
from threadmill.training.backends.backend import Backend, Devices, Trainer, choose_devices, get_backend
from threadmill.training.config import TrainingConfig
from threadmill.training.optimizers.build import build_optimizer, build_schedule

pytestmark = pytest.mark.keras

TOKENS, SEQ, PREDICTIONS, BATCH, WIDTH = 24, 12, 3, 8, 8
CONFIG = TrainingConfig(
    model="bert-tiny",
    steps=20,
    batch_size=BATCH,
    learning_rate=1e-2,
    dropout=0.0,
    clip_norm=0.05,
    backend=keras.backend.backend(),
)
DROPOUT = replace(CONFIG, dropout=0.2)


@dataclass
class Training:
    """A model in training, and its state at the beginning."""

    backend: Backend
    model: Any
    trainer: Trainer
    begin: dict[str, np.ndarray]


def made(config: TrainingConfig) -> Training:
    keras.utils.clear_session(free_memory=False)  # names begin anew
    backend = get_backend(config.backend)
    backend.prepare(config)
    with backend.scope():
        model = built_model(config.dropout)
        optimizer = build_optimizer(config, build_schedule(config), model)
    trainer = backend.trainer(model, optimizer, config)
    return Training(backend, model, trainer, trainer.state())


def built_model(dropout: float) -> Any:
    """Two heads on the embeddings of a sequence's first tokens, with what a transformer has besides attention."""
    tokens = keras.Input((SEQ,), dtype="int32", name="token_ids")
    hidden = keras.layers.Embedding(TOKENS, WIDTH, name="token_embedding")(tokens)
    hidden = keras.layers.Dropout(dropout)(keras.layers.LayerNormalization()(hidden))
    hidden = keras.layers.Dense(WIDTH, activation="gelu", name="inner")(hidden)
    outputs = {
        "masked_lm": keras.layers.Dense(TOKENS, dtype="float32")(hidden[:, :PREDICTIONS]),
        "next_sentence": keras.layers.Dense(2, dtype="float32")(keras.ops.mean(hidden, axis=1)),
    }
    return keras.Model({"token_ids": tokens}, outputs)


@pytest.fixture(scope="module")
def plain() -> Training:
    return made(CONFIG)


@pytest.fixture(scope="module")
def dropping() -> Training:
    return made(DROPOUT)


@pytest.fixture(autouse=True)
def _policy() -> Iterator[None]:
    yield
    keras.config.set_dtype_policy("float32")


def batches(count: int, seed: int = 0) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """``count`` batches stacked, whose sequences have one masked token or three.

    The four parts that either backend takes a batch in do not have as many, so that a mean of their means is another.
    """
    rng = np.random.default_rng(seed)
    tokens = rng.integers(5, TOKENS, (count, BATCH, SEQ), dtype=np.int32)
    weights = np.ones((count, BATCH, PREDICTIONS), np.float32)
    weights[:, [0, *range(BATCH // 2, BATCH)], 1:] = 0
    inputs = {
        "token_ids": tokens,
        "segment_ids": np.zeros_like(tokens),  # of no use to the model
    }
    labels = {
        "masked_lm_ids": tokens[..., :PREDICTIONS],
        "masked_lm_weights": weights,
        "next_sentence_labels": rng.integers(2, size=(count, BATCH), dtype=np.int32),
    }
    return inputs, labels


def part(batch: dict[str, np.ndarray], begin: int, end: int) -> dict[str, np.ndarray]:
    return {name: values[begin:end] for name, values in batch.items()}


def run(training: Training, steps: int, together: int = 1, start: int = 0) -> np.ndarray:
    """float32[steps, M]; from the beginning where ``start`` is 0."""
    if start == 0:
        training.trainer.load(training.begin)
    inputs, labels = batches(20)
    ends = range(start, start + steps, together)
    measures = [training.trainer.run(part(inputs, at, at + together), part(labels, at, at + together)) for at in ends]
    return np.concatenate([np.asarray(rows) for rows in measures])


def test_measures_are_the_loss_its_terms_and_the_norm(plain: Training) -> None:
    measures = run(plain, 20)

    assert plain.trainer.measures == ("loss", "masked_loss", "next_sentence_loss", "gradient_norm")
    np.testing.assert_allclose(measures[:, 0], measures[:, 1] + measures[:, 2], rtol=1e-6)
    assert measures[0, 1] == pytest.approx(np.log(TOKENS), abs=1)
    assert measures[-1, 1] < measures[0, 1] - 0.1  # it learns


def test_run_is_repeated_bit_for_bit(dropping: Training) -> None:
    first, state = run(dropping, 6), dropping.trainer.state()

    assert np.array_equal(run(dropping, 6), first)
    assert_equal_states(dropping.trainer.state(), state)
    assert_equal_states(made(DROPOUT).begin, dropping.begin)


def test_state_holds_all_that_the_next_steps_depend_on(dropping: Training) -> None:
    run(dropping, 3)
    state = dropping.trainer.state()
    expected, end = run(dropping, 3, start=3), dropping.trainer.state()
    run(dropping, 1)
    dropping.trainer.load(state)

    assert np.array_equal(run(dropping, 3, start=3), expected)
    assert_equal_states(dropping.trainer.state(), end)
    assert any("seed_generator" in name for name in state)
    assert {name.split("/")[0] for name in state} == {"model", "optimizer"}


def test_state_of_another_model_is_refused(plain: Training) -> None:
    name = next(name for name in plain.begin if name.endswith("token_embedding/embeddings"))

    with pytest.raises(
        ConfigError, match=r"of another model or optimizer: .*/embeddings has the shape \(3, 8\), wanted is \(24, 8\)"
    ):
        plain.trainer.load({**plain.begin, name: np.zeros((3, 8), np.float32)})


def test_steps_in_one_call_are_those_one_by_one(dropping: Training) -> None:
    one_by_one, state = run(dropping, 8), dropping.trainer.state()

    np.testing.assert_allclose(run(dropping, 8, together=4), one_by_one, rtol=2e-5)
    assert_close_states(dropping.trainer.state(), state)


def test_accumulated_gradients_make_the_update_of_the_undivided_batch(plain: Training) -> None:
    divided = made(replace(CONFIG, gradient_accumulation=4))

    np.testing.assert_allclose(run(plain, 6), run(divided, 6), rtol=2e-5)
    assert_close_states(plain.trainer.state(), divided.trainer.state())


def test_gradients_are_clipped_to_the_norm_and_their_own_norm_is_told(plain: Training) -> None:
    norm = run(plain, 1)[0, -1]
    moments = [values for name, values in plain.trainer.state().items() if "momentum" in name]
    clipped = np.sqrt(sum(float(np.square(values / 0.1).sum()) for values in moments))  # Adam's first: 0.1 times the gradient

    assert norm > 0.1
    assert clipped == pytest.approx(0.05, rel=1e-4)


def test_model_and_scores_follow_the_trainer(dropping: Training) -> None:
    score = dropping.backend.scorer(dropping.model)
    inputs, labels = ({name: values[0] for name, values in group.items()} for group in batches(1))
    dropping.trainer.load(dropping.begin)
    first = score(inputs, labels)
    run(dropping, 5)
    dropping.trainer.synchronise()
    second, state = score(inputs, labels), dropping.trainer.state()

    assert first["sequences"] == first["next_sentence_weight"] == BATCH
    assert first["masked_weight"] == 3 * 3 + 5 * 1
    assert second["masked_loss"] < first["masked_loss"]
    assert score(inputs, labels) == second  # no dropout
    assert all(np.array_equal(variable.numpy(), state[f"model/{variable.path}"]) for variable in dropping.model.variables)
    halves = [score(part(inputs, *rows), part(labels, *rows)) for rows in ((0, 5), (5, BATCH))]
    assert sum(half["masked_loss"] for half in halves) == pytest.approx(second["masked_loss"], rel=1e-5)
    run(dropping, 2, start=5)  # the model's variables were lent


def test_bfloat16_computes_with_float32_weights_and_losses(plain: Training) -> None:
    half = made(replace(CONFIG, precision="bfloat16"))
    measures, single = run(half, 4), run(plain, 4)

    assert half.model.get_layer("inner").compute_dtype == "bfloat16"
    assert {str(values.dtype) for values in half.begin.values() if values.dtype.kind not in "iu"} == {"float32"}
    assert str(measures.dtype) == "float32"
    np.testing.assert_allclose(measures[:, 0], single[:, 0], rtol=0.02)
    assert not np.array_equal(measures[:, 0], single[:, 0])


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
