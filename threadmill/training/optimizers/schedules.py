"""Learning rates over a run: a linear rise to the peak, then a linear or a cosine fall to 0."""

import math
from typing import Any

import keras
from keras import ops


class WarmupDecay(keras.optimizers.schedules.LearningRateSchedule):  # type: ignore[misc]
    """The rate of update g = 0, 1, ... of T: peak * (g + 1) / (W + 1) while g < W, then peak * fall((g - W) / (T - W)).

    The first update has a rate above 0, update W has the peak, and the rate would be 0 in update T, the first that is no more.
    """

    def __init__(self, peak: float, warmup_steps: int, steps: int) -> None:
        super().__init__()
        self.peak, self.warmup_steps, self.steps = peak, warmup_steps, steps

    def __call__(self, step: Any) -> Any:
        """float32[]: the rate of the update that follows ``step`` updates."""
        step = ops.cast(step, "float32")
        rising = (step + 1.0) / (self.warmup_steps + 1.0)
        falling = self._fall(ops.clip((step - self.warmup_steps) / (self.steps - self.warmup_steps), 0.0, 1.0))
        return self.peak * ops.where(step < self.warmup_steps, rising, falling)

    def _fall(self, share: Any) -> Any:
        """The part of the peak that is left after a share of the fall, from 1 to 0."""
        raise NotImplementedError

    def get_config(self) -> dict[str, Any]:
        """For serialisation."""
        return {"peak": self.peak, "warmup_steps": self.warmup_steps, "steps": self.steps}


@keras.saving.register_keras_serializable(package="threadmill")  # type: ignore[untyped-decorator]
class WarmupLinearDecay(WarmupDecay):
    """The rate falls by the same amount each update (Devlin et al. 2018, appendix A.2)."""

    def _fall(self, share: Any) -> Any:
        return 1.0 - share


@keras.saving.register_keras_serializable(package="threadmill")  # type: ignore[untyped-decorator]
class WarmupCosineDecay(WarmupDecay):
    """The rate falls as half a cosine (Loshchilov & Hutter 2017, equation 5, without restarts): (1 + cos(pi x share)) / 2."""

    def _fall(self, share: Any) -> Any:
        return 0.5 * (1.0 + ops.cos(math.pi * share))


# The registry of schedules, by the names in `threadmill.training.config.TrainingConfig.schedule`.
SCHEDULES: dict[str, type[WarmupDecay]] = {"linear": WarmupLinearDecay, "cosine": WarmupCosineDecay}
