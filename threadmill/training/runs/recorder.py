"""What is told of a run while it goes on: its loss log, its status file and TensorBoard's curves."""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import takewhile
from typing import Any

import numpy as np

from threadmill.errors import DivergenceError
from threadmill.training.config import TrainingConfig
from threadmill.training.runs.losses import LossLog
from threadmill.training.runs.status import StatusFile
from threadmill.training.runs.summaries import Summaries

_RECORD_SECONDS = 1.0
_RATE_SECONDS = 15.0
_PENDING_STEPS = 100
_CURVE_POINTS = 2000

# What is measured of a step, in the order of its tensor; the middle ones are the parts of a loss that has two.
LOSS, MASKED_LM_LOSS, NEXT_SENTENCE_LOSS, GRADIENT_NORM = "loss", "masked_lm_loss", "next_sentence_loss", "gradient_norm"
MEASURES = (LOSS, GRADIENT_NORM)
MEASURES_WITH_NEXT_SENTENCE = (LOSS, MASKED_LM_LOSS, NEXT_SENTENCE_LOSS, GRADIENT_NORM)


class Recorder:
    """Takes each step's losses from the device about once a second, checks them, and writes them where people look.

    Attributes:
        saved: the step of the newest checkpoint; the loop sets it.
    """

    def __init__(
        self,
        losses: LossLog,
        status: StatusFile,
        summaries: Summaries,
        schedule: Callable[[int], Any],
        config: TrainingConfig,
        measures: tuple[str, ...],
    ) -> None:
        self._losses, self._status, self._summaries, self._schedule = losses, status, summaries, schedule
        self._batch_size = config.batch_size
        self._measures = measures
        self._every = max(1, config.steps // _CURVE_POINTS)
        self._pending: list[tuple[int, Any]] = []
        self._times: deque[tuple[float, int]] = deque()
        self._last = time.monotonic()
        self.saved = status.current.resumed_from

    def add(self, step: int, measures: Any) -> None:
        """Notes the tensor that `threadmill.training.loop.make_train_step` returned for ``step``, perhaps not computed yet."""
        self._pending.append((step, measures))
        if len(self._pending) == _PENDING_STEPS or time.monotonic() - self._last >= _RECORD_SECONDS:
            self.record()

    def record(self) -> None:
        """Writes all that was noted.

        Raises:
            DivergenceError: a loss or gradient is not finite; the steps before are written.
        """
        pending, self._pending = [(step, measures.numpy()) for step, measures in self._pending], []
        finite = list(takewhile(lambda item: np.isfinite(item[1]).all(), pending))
        if finite:
            self._write([_Point(step, dict(zip(self._measures, _shortest(measures), strict=True))) for step, measures in finite])
        if len(finite) < len(pending):
            step, (loss, *_, norm) = pending[len(finite)]
            last = f"the last good checkpoint is of step {self.saved}" if self.saved else "there is no checkpoint before it"
            raise DivergenceError(
                f"training diverged at step {step}: the loss is {loss:.4g}, the gradient's norm {norm:.4g} ({last}); "
                "lower the learning rate or lengthen the warm-up"
            )

    def _write(self, points: "list[_Point]") -> None:
        self._losses.append(point.line() for point in points)
        self._last = time.monotonic()
        newest = points[-1]
        rate = self._sequences_per_second(newest.step)
        for point in points:
            if point.step % self._every == 0:
                self._summarise(point, rate)
        self._summaries.flush()
        self._status.update(step=newest.step, loss=newest.measures[LOSS], sequences_per_second=rate)

    def _sequences_per_second(self, step: int) -> float | None:
        """Over the last seconds; None at first, since the first step's time is mostly compilation."""
        self._times.append((self._last, step))
        while len(self._times) > 2 and self._last - self._times[0][0] > _RATE_SECONDS:
            self._times.popleft()
        (before, first), (now, last) = self._times[0], self._times[-1]
        return round((last - first) * self._batch_size / (now - before), 1) if now > before else None

    def _summarise(self, point: "_Point", rate: float | None) -> None:
        values = {**point.measures, "learning_rate": float(self._schedule(point.step - 1))}
        if rate is not None:
            values["sequences_per_second"] = rate
        self._summaries.scalars(values, point.step)


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
