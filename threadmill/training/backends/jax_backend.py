"""Training on JAX: a pure, compiled step over the variables' values, on one device or spread over a mesh of them."""

import contextlib
import itertools
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tensorflow as tf

from threadmill.training.backends.backend import (
    Batch,
    Devices,
    Scorer,
    State,
    check_state,
    choose_devices,
    copies,
    measure_names,
    set_up_keras,
    state_variables,
    virtual_devices,
)
from threadmill.training.backends.jax_layouts import BATCH_AXIS, make_distribution
from threadmill.training.config import TrainingConfig
from threadmill.training.objectives import objective_sums, term_losses, term_weights

Values = list[Any]


class JaxBackend:
    """See `threadmill.training.backends.backend.Backend`."""

    def __init__(self) -> None:
        self._devices = Devices(1, "CPU")
        self._distribution: Any = None

    @property
    def devices(self) -> Devices:
        """What it computes on."""
        return self._devices

    def prepare(self, config: TrainingConfig) -> None:
        """Sets up the process; TensorFlow, which reads the records, leaves the accelerators to JAX."""
        tf.config.set_visible_devices([], "GPU")
        if virtual_devices():
            jax.config.update("jax_num_cpu_devices", virtual_devices())  # type: ignore[no-untyped-call]
            jax.config.update("jax_platforms", "cpu")  # type: ignore[no-untyped-call]
        local = jax.local_devices()
        self._devices = choose_devices(config, Devices(len(local), local[0].platform.upper(), local[0].device_kind))
        set_up_keras(config)
        self._distribution = make_distribution(config, self._devices, copies(config, self._devices))

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """The distribution's, where there are several devices."""
        distribution = self._distribution
        scope: contextlib.AbstractContextManager[Any] = distribution.scope() if distribution else contextlib.nullcontext()
        return scope

    def trainer(self, model: Any, optimizer: Any, config: TrainingConfig) -> "JaxTrainer":
        """Takes the model into training."""
        return JaxTrainer(model, optimizer, config, self._distribution)

    def scorer(self, model: Any) -> Scorer:
        """Sums of a batch, without dropout."""

        @jax.jit
        def score(weights: Values, others: Values, inputs: Batch, labels: Batch) -> dict[str, Any]:
            outputs, _ = model.stateless_call(weights, others, inputs, training=False)
            return objective_sums(outputs, labels)

        def scored(inputs: Batch, labels: Batch) -> dict[str, float]:
            needed = {name: np.asarray(inputs[name]) for name in model.input}
            known = {name: np.asarray(values) for name, values in labels.items()}
            sums = score(_values(model.trainable_variables), _values(model.non_trainable_variables), needed, known)
            return {name: float(value) for name, value in jax.device_get(sums).items()}

        return scored


class JaxTrainer:
    """See `threadmill.training.backends.backend.Trainer`.

    The state is arrays of its own; each `run` gives the ones before back to the device, those of the Keras variables too,
    which `synchronise` renews.
    """

    def __init__(self, model: Any, optimizer: Any, config: TrainingConfig, distribution: Any) -> None:
        self._model, self._optimizer, self._config = model, optimizer, config
        self._distribution = distribution
        self._groups = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
        self._names = {id(variable): name for name, variable in state_variables(model, optimizer).items()}
        self._arrays: tuple[Values, ...] = ()
        self._take()
        self._steps: Callable[..., Any] = jax.jit(self._all_steps, donate_argnums=0, out_shardings=self._shardings())
        self.measures = measure_names(model.output)

    def run(self, inputs: Batch, labels: Batch) -> Any:
        """Makes an update for each of K batches."""
        needed = {name: inputs[name] for name in self._model.input}
        self._arrays, measures = self._steps(self._arrays, self._placed(needed), self._placed(labels))
        return measures

    def state(self) -> dict[str, np.ndarray]:
        """All values, gathered from the devices."""
        pairs = zip(self._groups, self._arrays, strict=True)
        named = {
            self._names[id(variable)]: value for group, values in pairs for variable, value in zip(group, values, strict=True)
        }
        return dict(jax.device_get(named))

    def load(self, state: State) -> None:
        """Puts all values on the devices."""
        check_state(state, {self._names[id(variable)]: variable for variable, _ in self._pairs()})
        for variable, _ in self._pairs():
            variable.assign(state[self._names[id(variable)]])
        self._take()

    def synchronise(self) -> None:
        """Lets the Keras variables hold the arrays as they are now."""
        for variable, value in self._pairs():
            variable.assign(value)

    def _take(self) -> None:
        self._arrays = tuple(_values(group) for group in self._groups)

    def _pairs(self) -> list[tuple[Any, Any]]:
        """Each Keras variable, and the array that it has become."""
        return list(zip(itertools.chain(*self._groups), itertools.chain(*self._arrays), strict=True))

    def _shardings(self) -> Any:
        """Where the results lie: the state as it lay before, on several devices."""
        if self._distribution is None:
            return None
        return jax.tree.map(lambda value: value.sharding, self._arrays), None

    def _placed(self, batch: Batch) -> dict[str, Any]:
        """[K, B, ...], with the axis B shared by the copies of the model."""
        arrays = {name: np.asarray(values) for name, values in batch.items()}
        if self._distribution is None:
            return arrays
        mesh = self._distribution.device_mesh.backend_mesh
        spec = jax.sharding.PartitionSpec(None, BATCH_AXIS)  # type: ignore[no-untyped-call]
        return jax.device_put(arrays, jax.sharding.NamedSharding(mesh, spec))  # type: ignore[no-any-return]

    def _all_steps(self, arrays: Any, inputs: Batch, labels: Batch) -> Any:
        """`run`, as a pure function: the arrays after it, and the measures."""
        return jax.lax.scan(lambda carry, batch: self._update(carry, *batch), arrays, (inputs, labels))

    def _update(self, arrays: Any, inputs: Batch, labels: Batch) -> Any:
        weights, others, moments = arrays
        totals = term_weights(self._model.output, labels)
        gradients, losses, others = self._accumulated(weights, others, inputs, labels, totals)
        norm = jnp.sqrt(sum(jnp.sum(jnp.square(gradient)) for gradient in gradients))
        scale = self._config.clip_norm / jnp.maximum(norm, self._config.clip_norm)
        gradients = [gradient * scale for gradient in gradients]
        weights, moments = self._optimizer.stateless_apply(moments, gradients, weights)
        parts = [losses] if len(totals) > 1 else []
        measures = jnp.concatenate([jnp.sum(losses)[None], *parts, norm[None]])
        return (weights, others, moments), measures

    def _accumulated(self, weights: Values, others: Values, inputs: Batch, labels: Batch, totals: Any) -> Any:
        """The gradients, float32[T] the losses of the terms, and the variables that are not trained."""
        differentiate = jax.grad(self._loss, has_aux=True)
        parts = self._config.gradient_accumulation
        if parts == 1:
            gradients, (losses, others) = differentiate(weights, others, inputs, labels, totals)
            return gradients, losses, others

        def body(carry: Any, part: Any) -> Any:
            sums, losses, others = carry
            gradients, (more, others) = differentiate(weights, others, *part, totals)
            return (jax.tree.map(jnp.add, sums, gradients), losses + more, others), None

        zeros = jax.tree.map(jnp.zeros_like, weights), jnp.zeros(len(totals)), others
        carry, _ = jax.lax.scan(body, zeros, (_in_parts(inputs, parts), _in_parts(labels, parts)))
        return carry

    def _loss(self, weights: Values, others: Values, inputs: Batch, labels: Batch, totals: Any) -> Any:
        outputs, others = self._model.stateless_call(weights, others, inputs, training=True)
        losses = jnp.stack(term_losses(objective_sums(outputs, labels), totals))
        return jnp.sum(losses), (losses, others)


BACKEND = JaxBackend


def _values(variables: Any) -> Values:
    return [variable.value for variable in variables]


def _in_parts(batch: Batch, parts: int) -> dict[str, Any]:
    """[B, ...] as [parts, B / parts, ...], part i of rows i, i + parts, ...: each device has the same number of all parts."""
    split = {name: values.reshape(-1, parts, *values.shape[1:]) for name, values in batch.items()}
    return {name: jnp.moveaxis(values, 1, 0) for name, values in split.items()}
