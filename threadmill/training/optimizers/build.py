"""AdamW as BERT uses it, with linear warm-up and linear decay of its rate."""

from typing import Any

import keras
from keras import ops

from threadmill.training.config import TrainingConfig

# Not decayed: biases and the scales and offsets of layer norms (google-research/bert, optimization.py).
_UNDECAYED = {"bias", "output_bias", "gamma", "beta"}


class WarmupLinearDecay(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """The rate of update g = 0, 1, ...: peak * (g + 1) / (W + 1) while g < W, then peak * (T - g) / (T - W), T steps in all.

    The first update has a rate above 0, update W has the peak, and the last one peak / (T - W).
    """

    def __init__(self, peak: float, warmup_steps: int, steps: int) -> None:
        super().__init__()
        self.peak, self.warmup_steps, self.steps = peak, warmup_steps, steps

    def __call__(self, step: Any) -> Any:
        """float32[]: the rate of the update that follows ``step`` updates."""
        step = ops.cast(step, "float32")
        rising = (step + 1.0) / (self.warmup_steps + 1.0)
        falling = ops.maximum(self.steps - step, 0.0) / (self.steps - self.warmup_steps)
        return self.peak * ops.where(step < self.warmup_steps, rising, falling)

    def get_config(self) -> dict[str, Any]:
        """For serialisation."""
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "steps": self.steps}


def build_schedule(config: TrainingConfig) -> WarmupLinearDecay:
    """The rate over the run."""
    return WarmupLinearDecay(config.peak_learning_rate, config.warmup, config.steps)


def build_optimizer(config: TrainingConfig, schedule: WarmupLinearDecay, model: Any) -> Any:
    """AdamW for the weights of ``model``, built, with BERT's epsilon; gradients are clipped before they come to it."""
    optimizer = keras.optimizers.AdamW(schedule, weight_decay=config.weight_decay, epsilon=1e-6, name="adamw")
    optimizer.exclude_from_weight_decay(var_list=[v for v in model.trainable_variables if v.name in _UNDECAYED])
    optimizer.build(model.trainable_variables)
    return optimizer
