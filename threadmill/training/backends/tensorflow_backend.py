"""Training on TensorFlow: compiled steps, on one device, on all GPUs of the machine, or on a TPU."""

import contextlib
import os
from typing import Any

import numpy as np
import tensorflow as tf

from threadmill.training.backends.backend import (
    Batch,
    Devices,
    Scorer,
    State,
    check_state,
    choose_devices,
    measure_names,
    set_up_keras,
    state_variables,
    virtual_devices,
)
from threadmill.training.config import TrainingConfig
from threadmill.training.objectives import objective_sums, term_losses, term_weights

_ACCELERATORS = ("TPU", "GPU")


class TensorflowBackend:
    """See `threadmill.training.backends.backend.Backend`."""

    def __init__(self) -> None:
        self._devices = Devices(1, "CPU")
        self._strategy: Any = None

    @property
    def devices(self) -> Devices:
        """What it computes on."""
        return self._devices

    def prepare(self, config: TrainingConfig) -> None:
        """Sets up the process."""
        kind, names = _local_devices()
        self._devices = choose_devices(config, Devices(len(names), kind, _device_name(kind)))
        set_up_keras(config)
        tf.config.experimental.enable_op_determinism()
        self._strategy = _strategy(self._devices, names)

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """The strategy's, where there are several devices."""
        scope: contextlib.AbstractContextManager[Any] = self._strategy.scope() if self._strategy else contextlib.nullcontext()
        return scope

    def trainer(self, model: Any, optimizer: Any, config: TrainingConfig) -> "TensorflowTrainer":
        """Takes the model into training."""
        jit_compile = config.jit_compile == "on" or (config.jit_compile == "auto" and self._devices.kind == "GPU")
        return TensorflowTrainer(model, optimizer, config, self._strategy, jit_compile=jit_compile)

    def scorer(self, model: Any) -> Scorer:
        """Sums of a batch, without dropout."""

        def score(inputs: Batch, labels: Batch) -> dict[str, Any]:
            return objective_sums(model({name: inputs[name] for name in model.input}, training=False), labels)

        compiled = tf.function(score, reduce_retracing=True)

        def scored(inputs: Batch, labels: Batch) -> dict[str, float]:
            sums = compiled(_tensors(inputs), _tensors(labels))
            return {name: float(value) for name, value in sums.items()}

        return scored


class TensorflowTrainer:
    """See `threadmill.training.backends.backend.Trainer`. The state lives in the Keras variables."""

    def __init__(self, model: Any, optimizer: Any, config: TrainingConfig, strategy: Any, *, jit_compile: bool) -> None:
        self._model, self._optimizer, self._config = model, optimizer, config
        self._strategy = strategy
        self._variables = state_variables(model, optimizer)
        self._weights = model.trainable_variables
        if strategy:
            # Keras would add the gradients of all devices up once more: they are summed here, where they are clipped.
            optimizer._all_reduce_sum_gradients = list
        # Around what waits for other devices XLA cannot compile: with several, it compiles all but the update.
        self._gradients = tf.function(self._part_gradients, jit_compile=jit_compile and strategy is not None, autograph=False)
        self._step = tf.function(self._update, jit_compile=jit_compile, autograph=False) if not strategy else self._distributed
        self._steps = tf.function(self._all_steps, reduce_retracing=True, autograph=False)
        self.measures = measure_names(model.output)

    def run(self, inputs: Batch, labels: Batch) -> Any:
        """Makes an update for each of K batches."""
        needed = {name: inputs[name] for name in self._model.input}
        return self._steps(_tensors(needed), _tensors(labels))

    def state(self) -> dict[str, np.ndarray]:
        """All variables."""
        return {name: variable.numpy() for name, variable in self._variables.items()}

    def load(self, state: State) -> None:
        """Sets all variables."""
        check_state(state, self._variables)
        for name, variable in self._variables.items():
            variable.assign(state[name])

    def synchronise(self) -> None:
        """Nothing is to be done: the weights are the model's variables."""

    def _all_steps(self, inputs: Batch, labels: Batch) -> Any:
        """`run`, in the graph."""
        count = tf.shape(next(iter(labels.values())))[0]
        rows = tf.TensorArray(tf.float32, count, element_shape=[len(self.measures)])

        def body(number: Any, rows: Any) -> Any:
            measures = self._step(_row(inputs, number), _row(labels, number))
            return number + 1, rows.write(number, measures)

        _, rows = tf.while_loop(lambda number, _: number < count, body, (0, rows), parallel_iterations=1)
        return rows.stack()

    def _distributed(self, inputs: Batch, labels: Batch) -> Any:
        """One update by all devices, each with its share of the batch."""
        measures = self._strategy.run(self._update, args=(inputs, labels))
        return self._strategy.experimental_local_results(measures)[0]

    def _update(self, inputs: Batch, labels: Batch) -> Any:
        """One update by this device, of the whole batch or of its share of it; returns float32[M]."""
        # Of the whole batch, whose every label each device has: the shares of the mean then add up over devices and parts.
        weights = term_weights(self._model.output, labels)
        if self._strategy:
            inputs, labels = self._share(inputs), self._share(labels)
        gradients, losses = self._accumulated(inputs, labels, weights)
        if self._strategy:
            *gradients, losses = tf.distribute.get_replica_context().all_reduce("SUM", [*gradients, losses])
        gradients, norm = tf.clip_by_global_norm(gradients, self._config.clip_norm)
        self._optimizer.apply(gradients, self._weights)
        parts = [losses] if len(weights) > 1 else []
        return tf.concat([[tf.reduce_sum(losses)], *parts, [norm]], 0)

    def _share(self, batch: Batch) -> Batch:
        replica = tf.distribute.get_replica_context()
        size = self._config.batch_size // replica.num_replicas_in_sync
        begin = replica.replica_id_in_sync_group * size
        return {name: values[begin : begin + size] for name, values in batch.items()}

    def _accumulated(self, inputs: Batch, labels: Batch, weights: Any) -> tuple[list[Any], Any]:
        """The gradients, and float32[T] the losses of the terms: shares of the means over the whole batch."""
        parts = self._config.gradient_accumulation
        if parts == 1:
            return self._gradients(inputs, labels, weights)  # type: ignore[no-any-return]
        inputs, labels = _in_parts(inputs, parts), _in_parts(labels, parts)

        def body(number: Any, sums: Any) -> Any:
            gradients, losses = self._gradients(_row(inputs, number), _row(labels, number), weights)
            return number + 1, [total + one for total, one in zip(sums, [*gradients, losses], strict=True)]

        zeros = [tf.zeros(weight.shape) for weight in self._weights] + [tf.zeros([len(weights)])]
        _, sums = tf.while_loop(lambda number, _: number < parts, body, (0, zeros), parallel_iterations=1)
        return sums[:-1], sums[-1]

    def _part_gradients(self, inputs: Batch, labels: Batch, weights: Any) -> tuple[list[Any], Any]:
        with tf.GradientTape() as tape:
            outputs = self._model(inputs, training=True)
            losses = term_losses(objective_sums(outputs, labels), weights)
            loss = tf.add_n(losses)
        gradients = tape.gradient(loss, [weight.value for weight in self._weights])
        # Dense ones: the norm of sparse ones is wrong where a row is in them twice.
        return [tf.convert_to_tensor(gradient) for gradient in gradients], tf.stack(losses)


BACKEND = TensorflowBackend


def _local_devices() -> tuple[str, list[str]]:
    """The kind and the logical devices of this machine's accelerators, or else of its CPU."""
    cpu = tf.config.list_physical_devices("CPU")[0]
    if virtual_devices():
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * virtual_devices())
        return "CPU", [device.name for device in tf.config.list_logical_devices("CPU")]
    if tf.config.list_physical_devices("TPU"):
        _connect_tpu()
    for kind in _ACCELERATORS:
        names = [device.name for device in tf.config.list_logical_devices(kind)]
        if names:
            return kind, names
    return "CPU", [device.name for device in tf.config.list_logical_devices("CPU")]


def _device_name(kind: str) -> str:
    if kind == "TPU":
        return f"TPU {os.environ.get('TPU_ACCELERATOR_TYPE', '').partition('-')[0]}"  # of a TPU VM: "v4-8", "v5litepod-16"
    if kind == "GPU":
        details = tf.config.experimental.get_device_details(tf.config.list_physical_devices("GPU")[0])
        return str(details.get("device_name", ""))
    return "cpu"


def _connect_tpu() -> Any:
    resolver = tf.distribute.cluster_resolver.TPUClusterResolver(tpu="local")
    tf.config.experimental_connect_to_cluster(resolver)
    tf.tpu.experimental.initialize_tpu_system(resolver)
    return resolver


def _strategy(devices: Devices, names: list[str]) -> Any:
    """None for one device, which needs none."""
    if devices.kind == "TPU":
        resolver = _connect_tpu()
        one = tf.tpu.experimental.DeviceAssignment.build(resolver.get_tpu_system_metadata().topology, num_replicas=1)
        return tf.distribute.TPUStrategy(resolver, experimental_device_assignment=one if devices.count == 1 else None)
    return tf.distribute.MirroredStrategy(names[: devices.count]) if devices.count > 1 else None


def _tensors(batch: Batch) -> dict[str, Any]:
    return {name: tf.convert_to_tensor(values) for name, values in batch.items()}


def _row(batch: Batch, number: Any) -> dict[str, Any]:
    return {name: values[number] for name, values in batch.items()}


def _in_parts(batch: Batch, parts: int) -> dict[str, Any]:
    """[B, ...] as [parts, B / parts, ...]."""
    return {name: tf.reshape(values, [parts, -1, *values.shape[1:]]) for name, values in batch.items()}
