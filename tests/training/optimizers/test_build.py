from typing import Any

import keras
import numpy as np
import pytest

from threadmill.training.config import TrainingConfig
from threadmill.training.optimizers.build import build_optimizer, build_schedule
from threadmill.training.optimizers.lamb import Lamb
from threadmill.training.optimizers.schedules import WarmupCosineDecay, WarmupLinearDecay

pytestmark = pytest.mark.keras

DECAY, RATE = 0.5, 0.1


def config(**settings: Any) -> TrainingConfig:
    return TrainingConfig(model="bert-tiny", steps=10, learning_rate=RATE, warmup_steps=0, weight_decay=DECAY, **settings)


@pytest.fixture(scope="module")
def model() -> Any:
    """A dense layer and a layer norm."""
    return keras.Sequential([keras.Input((3,)), keras.layers.Dense(3), keras.layers.LayerNormalization()])


@pytest.mark.parametrize(("optimizer", "decayed_to"), [("adamw", 1 - RATE * DECAY), ("lamb", 1 - RATE)])
def test_without_gradients_kernels_decay_and_biases_and_norms_do_not(model: Any, optimizer: str, decayed_to: float) -> None:
    """By AdamW as much as asked for; by LAMB, whose trust ratio takes any step to the length of the weights, by the rate."""
    settings, weights = config(optimizer=optimizer), model.trainable_variables
    for variable in weights:
        variable.assign(np.ones(variable.shape))

    build_optimizer(settings, build_schedule(settings), model).apply([keras.ops.zeros(v.shape) for v in weights], weights)

    after = {variable.name: float(np.ravel(keras.ops.convert_to_numpy(variable))[0]) for variable in weights}
    assert after == {"kernel": pytest.approx(decayed_to, rel=1e-6), "bias": 1, "gamma": 1, "beta": 1}


def test_settings_pick_optimizer_and_schedule(model: Any) -> None:
    assert type(build_optimizer(config(), build_schedule(config()), model)) is keras.optimizers.AdamW
    assert type(build_optimizer(config(optimizer="lamb"), build_schedule(config()), model)) is Lamb
    assert type(build_schedule(config())) is WarmupLinearDecay
    assert type(build_schedule(config(schedule="cosine"))) is WarmupCosineDecay


def test_epsilon_is_berts(model: Any) -> None:
    epsilons = [build_optimizer(config(optimizer=name), build_schedule(config()), model).epsilon for name in ("adamw", "lamb")]

    assert epsilons == [1e-6, 1e-6]


def test_adamw_adds_epsilon_before_the_bias_correction(model: Any) -> None:
    """As BERT's own optimizer has it; seen where gradients are as small as epsilon."""
    settings, weights, gradient = config(), model.trainable_variables, 1e-5
    for variable in weights:
        variable.assign(np.zeros(variable.shape))

    gradients = [keras.ops.full(variable.shape, gradient) for variable in weights]
    build_optimizer(settings, build_schedule(settings), model).apply(gradients, weights)

    corrections = np.sqrt(1 - 0.999) / (1 - 0.9)
    step = RATE * corrections * (0.1 * gradient) / (np.sqrt(0.001) * gradient + 1e-6)
    for variable in weights:
        np.testing.assert_allclose(keras.ops.convert_to_numpy(variable), -step, rtol=1e-3)
