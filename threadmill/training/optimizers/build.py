"""The optimizer and its learning rate as a run's settings name them. Imports Keras: for the trainer's processes only."""

from collections.abc import Callable
from typing import Any

from threadmill.training.config import TrainingConfig
from threadmill.training.optimizers.adamw import adamw
from threadmill.training.optimizers.lamb import lamb
from threadmill.training.optimizers.schedules import SCHEDULES, WarmupDecay

# The registry of optimizers, by the names in `TrainingConfig.optimizer`: the function that makes one for a list of variables.
OPTIMIZERS: dict[str, Callable[[TrainingConfig, WarmupDecay, list[Any]], Any]] = {"adamw": adamw, "lamb": lamb}


def build_schedule(config: TrainingConfig) -> WarmupDecay:
    """The rate over the run."""
    return SCHEDULES[config.schedule](config.peak_learning_rate, config.warmup, config.steps)


def build_optimizer(config: TrainingConfig, schedule: WarmupDecay, model: Any) -> Any:
    """The optimizer for the weights of ``model``, built; gradients are clipped before they come to it."""
    optimizer = OPTIMIZERS[config.optimizer](config, schedule, model.trainable_variables)
    optimizer.build(model.trainable_variables)
    return optimizer
