from collections.abc import Callable
from typing import Any

import jax
import keras
import numpy as np
import optax
import pytest

from threadmill.training.optimizers.lamb import Lamb

pytestmark = pytest.mark.keras

SHAPES = {"kernel": (7, 5), "query": (4, 2, 3), "bias": (5,), "zeros": (3, 2), "still": (6, 2)}
STEPS, RATE, DECAY = 6, 0.05, 0.1

Arrays = dict[str, np.ndarray]


def initial() -> Arrays:
    rng = np.random.default_rng(1)
    values = {name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}
    return values | {"zeros": np.zeros(SHAPES["zeros"], np.float32)}


def gradients() -> list[Arrays]:
    """Of each step; those of ``still`` are 0, so that its update is the decay alone."""
    rng = np.random.default_rng(2)
    drawn = [{name: rng.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()} for _ in range(STEPS)]
    return [values | {"still": np.zeros(SHAPES["still"], np.float32)} for values in drawn]


def variables() -> list[Any]:
    return [keras.Variable(values, name=name) for name, values in initial().items()]


def ours(optimizer: Any, excluded: tuple[str, ...] = ()) -> list[Arrays]:
    """The variables after each step of ``optimizer``."""
    weights = variables()
    optimizer.exclude_from_weight_decay(var_list=[variable for variable in weights if variable.name in excluded])
    optimizer.build(weights)
    found = []
    for step in gradients():
        optimizer.apply([keras.ops.convert_to_tensor(step[variable.name]) for variable in weights], weights)
        found.append({variable.name: keras.ops.convert_to_numpy(variable) for variable in weights})
    return found


def optaxs(transform: Any) -> list[Arrays]:
    weights, found = initial(), []
    state = transform.init(weights)
    update: Callable[..., Any] = jax.jit(transform.update)
    for step in gradients():
        updates, state = update(step, state, weights)
        weights = optax.apply_updates(weights, updates)
        found.append({name: np.asarray(values) for name, values in weights.items()})
    return found


def assert_equal(found: list[Arrays], wanted: list[Arrays]) -> None:
    for mine, other in zip(found, wanted, strict=True):
        for name in SHAPES:
            np.testing.assert_allclose(mine[name], other[name], rtol=2e-5, atol=1e-6, err_msg=name)


def test_each_step_is_optaxs() -> None:
    assert_equal(ours(Lamb(RATE, DECAY)), optaxs(optax.lamb(RATE, weight_decay=DECAY)))


def test_excluded_variables_take_adams_step() -> None:
    """optax.lamb leaves out the decay alone; the authors' code leaves out the trust ratio too."""
    mask = {name: name != "bias" for name in SHAPES}
    wanted = optax.chain(
        optax.scale_by_adam(eps=1e-6),
        optax.add_decayed_weights(DECAY, mask),
        optax.masked(optax.scale_by_trust_ratio(), mask),
        optax.scale_by_learning_rate(RATE),
    )

    found = ours(Lamb(RATE, DECAY), excluded=("bias",))

    assert_equal(found, optaxs(wanted))
    adam = ours(keras.optimizers.Adam(RATE, epsilon=1e-6))
    np.testing.assert_allclose(found[-1]["bias"], adam[-1]["bias"], rtol=1e-3)  # Keras adds epsilon elsewhere


def test_schedule_sets_the_rate_of_each_step() -> None:
    schedule = keras.optimizers.schedules.PolynomialDecay(RATE, STEPS, end_learning_rate=0.0)

    found = ours(Lamb(schedule, DECAY))

    assert_equal(found, optaxs(optax.lamb(optax.linear_schedule(RATE, 0.0, STEPS), weight_decay=DECAY)))


def test_update_is_as_long_as_the_weights_times_the_rate() -> None:
    """The definition in the paper: the layer's step has the norm of its weights, whatever the gradient's."""
    before, (after, *_) = initial(), ours(Lamb(RATE, DECAY))

    for name in ("kernel", "query", "still"):
        assert np.linalg.norm(after[name] - before[name]) == pytest.approx(RATE * np.linalg.norm(before[name]), rel=1e-5)


def test_weights_of_norm_0_take_the_step_as_it_is() -> None:
    after, *_ = ours(Lamb(RATE, DECAY))

    np.testing.assert_allclose(np.abs(after["zeros"]), RATE, rtol=1e-4)  # Adam's first step: the rate, by the gradient's sign


def test_decay_is_inside_the_trust_ratio_and_not_so_in_keras() -> None:
    mine, keras_own = ours(Lamb(RATE, DECAY)), ours(keras.optimizers.Lamb(RATE, weight_decay=DECAY, epsilon=1e-6))
    without = ours(Lamb(RATE, 0.0)), ours(keras.optimizers.Lamb(RATE, epsilon=1e-6))

    assert_equal(*without)
    assert np.abs(mine[0]["kernel"] - keras_own[0]["kernel"]).max() > 1e-3
    # Of a variable without gradients: the ratio scales the decay to the weights' own length here, and is no part of it there.
    still = initial()["still"]
    np.testing.assert_allclose(mine[0]["still"], still * (1 - RATE), rtol=1e-5)
    np.testing.assert_allclose(keras_own[0]["still"], still * (1 - RATE * DECAY), rtol=1e-5)


def test_optimizer_is_restored_from_its_config() -> None:
    optimizer = Lamb(RATE, 0.2, beta_1=0.8, beta_2=0.99, epsilon=1e-5)

    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(optimizer))

    assert_equal(ours(restored), ours(optimizer))


@pytest.mark.skipif(keras.backend.backend() != "jax", reason="TensorFlow's optimizers have no stateless form")
def test_stateless_steps_are_the_same() -> None:
    optimizer, weights = Lamb(RATE, DECAY), variables()
    optimizer.build(weights)
    apply = jax.jit(optimizer.stateless_apply)
    state, values = [variable.value for variable in optimizer.variables], [variable.value for variable in weights]
    found = []
    for step in gradients():
        values, state = apply(state, [step[variable.name] for variable in weights], values)
        found.append({variable.name: np.asarray(value) for variable, value in zip(weights, values, strict=True)})

    assert_equal(found, ours(Lamb(RATE, DECAY)))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="tf.distribute is TensorFlow's")
@pytest.mark.parametrize("compiled", [True, False])
def test_replicas_take_the_same_steps(compiled: bool) -> None:
    import tensorflow as tf

    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        optimizer, weights = Lamb(RATE, DECAY), variables()
        optimizer.exclude_from_weight_decay(var_list=[variable for variable in weights if variable.name == "bias"])
        optimizer.build(weights)

    def replica(values: list[Any]) -> None:
        optimizer.apply([tf.identity(value) for value in values], weights)  # on the replica's device, as its gradients are

    def step(values: list[Any]) -> None:
        strategy.run(replica, args=(values,))

    run = tf.function(step) if compiled else step
    found = []
    for values in gradients():
        run([tf.constant(values[variable.name]) for variable in weights])
        found.append({variable.name: keras.ops.convert_to_numpy(variable) for variable in weights})

    assert_equal(found, ours(Lamb(RATE, DECAY), excluded=("bias",)))


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="gradients of gathered rows are TensorFlow's")
def test_gradients_of_gathered_rows_count_as_whole_ones() -> None:
    import tensorflow as tf

    table = np.arange(1, 9, dtype=np.float32).reshape(4, 2)
    rows = tf.IndexedSlices(tf.constant([[1.0, 2.0], [3.0, 4.0]]), tf.constant([3, 1]), tf.constant([4, 2]))
    found = []
    for gradient in (rows, tf.convert_to_tensor(rows)):
        variable, optimizer = keras.Variable(table), Lamb(RATE, DECAY)
        optimizer.apply([gradient], [variable])
        found.append(keras.ops.convert_to_numpy(variable))

    np.testing.assert_array_equal(*found)
