"""What computes a training run: one interface over TensorFlow and JAX, and the choice of devices that both share."""

import contextlib
import importlib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import keras
import numpy as np

from threadmill.errors import ConfigError
from threadmill.training.config import TrainingConfig
from threadmill.training.objectives import TERMS
from threadmill.training.runs.losses import GRADIENT_NORM, LOSS

State = Mapping[str, np.ndarray]
Batch = Mapping[str, Any]
Scorer = Callable[[Batch, Batch], dict[str, float]]

# So many virtual devices stand for this machine's CPU: how a run on several devices is tried out where there is but one.
VIRTUAL_DEVICES = "THREADMILL_VIRTUAL_DEVICES"

_MODEL, _OPTIMIZER = "model/", "optimizer/"
_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


@dataclass(frozen=True)
class Devices:
    """What a run computes on: ``count`` devices of one ``kind``, "CPU", "GPU" or "TPU".

    Attributes:
        name: of one, by which `threadmill.training.runs.utilisation` knows its peak; "" where it is not told.
    """

    count: int
    kind: str
    name: str = ""


class Trainer(Protocol):
    """A model in training. Where the model's own weights are read, `synchronise` comes first.

    Attributes:
        measures: the names of what `run` returns: the loss, its terms where it has several, and the gradient's norm
            before clipping.
    """

    measures: tuple[str, ...]

    def run(self, inputs: Batch, labels: Batch) -> Any:
        """Makes an update for each of K batches, one after the other.

        Args:
            inputs, labels: [K, B, ...], see `threadmill.training.inputs.features.parse_batch`.

        Returns:
            float32[K, M], the `measures` of each update; perhaps not computed yet: np.asarray waits.
        """

    def state(self) -> dict[str, np.ndarray]:
        """All that the next updates depend on, by ``model/`` or ``optimizer/`` and the variable's path, random seeds too."""

    def load(self, state: State) -> None:
        """Goes on from a `state`.

        Raises:
            ConfigError: it is of another model or optimizer.
        """

    def synchronise(self) -> None:
        """Sets the variables of the Keras model to the weights as they are now; they hold until the next `run`."""


class Backend(Protocol):
    """A library that computes."""

    @property
    def devices(self) -> Devices:
        """What it computes on, once it is prepared."""

    def prepare(self, config: TrainingConfig) -> None:
        """Sets up the process, before anything else of Keras is used: seed, precision, determinism, devices.

        Raises:
            ConfigError: the devices do not share a batch of this size evenly.
        """

    def scope(self) -> contextlib.AbstractContextManager[Any]:
        """Where a model and its optimizer are made, so that their variables lie on the devices."""

    def trainer(self, model: Any, optimizer: Any, config: TrainingConfig) -> Trainer:
        """Takes the model, as its weights are now, into training; ``optimizer`` is built."""

    def scorer(self, model: Any) -> Scorer:
        """A function from a batch ([B, ...], of any B) to its `threadmill.training.objectives.objective_sums`, without
        dropout, by the model's weights of that moment.
        """


def get_backend(name: str) -> Backend:
    """The backend, unprepared; the process's environment has to name it in KERAS_BACKEND before Keras is imported."""
    module = importlib.import_module(f"threadmill.training.backends.{name}_backend")
    backend: Backend = module.BACKEND()
    return backend


def virtual_devices() -> int:
    """How many devices the CPU is to be taken for; 0 where nothing is said."""
    return int(os.environ.get(VIRTUAL_DEVICES) or 0)


def choose_devices(config: TrainingConfig, available: Devices) -> Devices:
    """The devices of a run, of those of the machine, as ``config.distribution`` says.

    Raises:
        ConfigError: the batch, or a part of it that is taken at a time, is not shared evenly by them.
    """
    several = config.distribution != "one" and (config.distribution != "auto" or available.kind != "CPU")
    devices = replace(available, count=available.count if several else 1)
    shares = copies(config, devices) * config.gradient_accumulation
    if config.batch_size % shares:
        parts = f" in {config.gradient_accumulation} parts each" if config.gradient_accumulation > 1 else ""
        raise ConfigError(
            f"batch_size is {config.batch_size}, which {copies(config, devices)} devices{parts} do not share evenly; set a "
            f"multiple of {shares}, or distribution to one"
        )
    return devices


def copies(config: TrainingConfig, devices: Devices) -> int:
    """How many copies of the model the devices hold, each with a share of the batch.

    Raises:
        ConfigError: ``model_parallel`` devices a copy do not share the devices evenly.
    """
    if config.distribution != "model":
        return devices.count
    together = config.model_parallel or devices.count
    if devices.count % together:
        raise ConfigError(
            f"model_parallel is {together}, which {devices.count} devices of this machine are no multiple of; set it to a "
            "divisor, or to 0 for all"
        )
    return devices.count // together


def set_up_keras(config: TrainingConfig) -> None:
    """Sets Keras's seed and the types of its numbers."""
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(_POLICIES[config.precision])


def measure_names(outputs: Iterable[str]) -> tuple[str, ...]:
    """What is measured of an update of a model with these outputs; a term that is alone is the loss."""
    terms = [name for name, term in TERMS.items() if term.output in set(outputs)]
    return (LOSS, *(f"{name}_loss" for name in terms if len(terms) > 1), GRADIENT_NORM)


def state_variables(model: Any, optimizer: Any) -> dict[str, Any]:
    """The Keras variables of a `Trainer.state` by their names there."""
    named = [(f"{_MODEL}{variable.path}", variable) for variable in model.variables]
    named += [(f"{_OPTIMIZER}{variable.path}", variable) for variable in optimizer.variables]
    if len(dict(named)) != len(named):
        raise ValueError("two variables share a path, so a state would hold one of them only")
    return dict(named)


def check_state(state: State, variables: Mapping[str, Any]) -> None:
    """Raises ConfigError where ``state`` is not one of these variables."""
    shapes = {name: tuple(value.shape) for name, value in state.items()}
    wanted = {name: tuple(variable.shape) for name, variable in variables.items()}
    others = sorted(name for name in {**shapes, **wanted} if shapes.get(name) != wanted.get(name))
    if others:
        name = others[0]
        raise ConfigError(
            f"the checkpoint is of another model or optimizer: {name} has the shape {shapes.get(name, 'of nothing')}, wanted is "
            f"{wanted.get(name, 'nothing')} ({len(others)} variables differ); name another output, or delete the checkpoints"
        )
