"""What is told of a run while it goes on: its loss log, its status file and TensorBoard's curves."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from threadmill.errors import DivergenceError
from threadmill.training.config import TrainingConfig
from threadmill.training.runs.losses import GRADIENT_NORM, LOSS, LossLog
from threadmill.training.runs.status import StatusFile
from threadmill.training.runs.summaries import Summaries
from threadmill.training.runs.trend import WINDOW, LossTrend
from threadmill.training.runs.utilisation import Cost

_RECORD_SECONDS = 1.0
_RATE_SECONDS = 15.0
_PENDING_CALLS = 100
_CURVE_POINTS = 2000

_REMEDY = "lower the learning rate or lengthen the warm-up"


class Recorder:
    """Takes each step's losses from the device about once a second, checks them, and writes them where people look.

    Args:
        losses: holds the steps before the first that is added.
        schedule: the learning rate of the update that follows so many.
        measures: the names of what is measured of a step, `LOSS` and `GRADIENT_NORM` among them.
        last_good: the URI of the newest checkpoint of a step up to the given one; "" where there is none.
        cost: of a sequence, and what the devices can do.

    Attributes:
        loss: of the last step that was written.
    """

    def __init__(
        self,
        losses: LossLog,
        status: StatusFile,
        summaries: Summaries,
        schedule: Callable[[int], Any],
        config: TrainingConfig,
        measures: tuple[str, ...],
        last_good: Callable[[int], str] = lambda at_most: "",
        cost: Cost | None = None,
    ) -> None:
        self._losses, self._status, self._summaries, self._schedule = losses, status, summaries, schedule
        self._config, self._measures, self._last_good, self._cost = config, measures, last_good, cost or Cost()
        self._every = max(1, config.steps // _CURVE_POINTS)
        self._pending: list[tuple[int, Any]] = []
        self._times: deque[tuple[float, int]] = deque()
        self._last = time.monotonic()
        self._trend = LossTrend(losses.read())
        self.loss = float("nan")

    def add(self, step: int, measures: Any) -> None:
        """Notes what was measured of the steps from ``step`` on.

        Args:
            measures: float32[K, M], perhaps not computed yet: `threadmill.training.backends.backend.Trainer.run`'s.
        """
        self._pending.append((step, measures))
        if len(self._pending) == _PENDING_CALLS or time.monotonic() - self._last >= _RECORD_SECONDS:
            self.record()

    def saved(self, step: int) -> None:
        """Notes that the checkpoint of ``step`` is the newest."""
        self._status.update(checkpoint=step)

    def record(self) -> None:
        """Writes all that was noted.

        Raises:
            DivergenceError: a loss or gradient is not finite, or the mean loss has risen by more than
                ``config.max_loss_rise``; the steps before are written.
        """
        pending, self._pending = self._pending, []
        rows = [(step, row) for first, values in pending for step, row in enumerate(np.asarray(values), first)]
        points: list[_Point] = []
        try:
            for step, row in rows:
                self._check_finite(step, row)
                points.append(_Point(step, dict(zip(self._measures, _shortest(row), strict=True))))
                self._trend.add(points[-1].measures[LOSS])
                self._check_trend(step)
        finally:
            if points:
                self._write(points)

    def _check_finite(self, step: int, row: np.ndarray) -> None:
        if np.isfinite(row).all():
            return
        measured = dict(zip(self._measures, row, strict=True))
        rising = self._config.max_loss_rise and self._trend.recent_rise > self._config.max_loss_rise / 2
        last = self._told_last_good(self._trend.calm_step if rising else step - 1)
        raise DivergenceError(
            f"training diverged at step {step}: the loss is {measured[LOSS]:.4g}, the gradient's norm "
            f"{measured[GRADIENT_NORM]:.4g} ({last}); {_REMEDY}"
        )

    def _check_trend(self, step: int) -> None:
        trend, most = self._trend, self._config.max_loss_rise
        if most and trend.rise > most:
            raise DivergenceError(
                f"training diverged by step {step}: the mean loss of {WINDOW} steps is {trend.mean:.4g}, and was "
                f"{trend.lowest:.4g} at step {trend.lowest_step} ({self._told_last_good(trend.calm_step)}); {_REMEDY}, or "
                f"raise max_loss_rise, which is {most:g}, if such a loss is to be expected"
            )

    def _told_last_good(self, at_most: int) -> str:
        place = self._last_good(at_most)
        return f"the last good checkpoint is {place}" if place else "there is no checkpoint before it"

    def _write(self, points: "list[_Point]") -> None:
        self._losses.append(point.line() for point in points)
        self._last = time.monotonic()
        newest = points[-1]
        self.loss = newest.measures[LOSS]
        rate = self._sequences_per_second(newest.step)
        speed = {} if rate is None else self._cost.curves(rate)
        for point in points:
            if point.step % self._every == 0:
                rates = {"learning_rate": float(self._schedule(point.step - 1))}
                self._summaries.scalars({**point.measures, **rates, **speed}, point.step)
        self._summaries.flush()
        left = (self._config.steps - newest.step) * self._config.batch_size
        self._status.update(
            step=newest.step,
            loss=self.loss,
            examples_per_second=rate,
            seconds_left=None if rate is None else round(left / rate),
            model_flops_utilisation=speed.get("model_flops_utilisation"),
        )

    def _sequences_per_second(self, step: int) -> float | None:
        """Over the last seconds; None at first, since the first step's time is mostly compilation."""
        self._times.append((self._last, step))
        while len(self._times) > 2 and self._last - self._times[0][0] > _RATE_SECONDS:
            self._times.popleft()
        (before, first), (now, last) = self._times[0], self._times[-1]
        return round((last - first) * self._config.batch_size / (now - before), 1) if now > before else None


@dataclass(frozen=True)
class _Point:
    """One step's measures by name."""

    step: int
    measures: dict[str, float]

    def line(self) -> dict[str, float]:
        """Its line of the loss log."""
        losses = {name: value for name, value in self.measures.items() if name != GRADIENT_NORM}
        return {"step": self.step, **losses}


def _shortest(measures: Any) -> list[float]:
    """The floats of the fewest digits that are these float32."""
    return [float(str(value)) for value in measures]
