"""What is told of a run while it goes on: its loss log, its status file and TensorBoard's curves."""

import time
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np

from threadmill.errors import DivergenceError
from threadmill.training.config import TrainingConfig
from threadmill.training.losses import LossLog
from threadmill.training.status import StatusFile
from threadmill.training.summaries import Summaries

_RECORD_SECONDS = 1.0
_RATE_SECONDS = 15.0
_PENDING_STEPS = 100
_CURVE_POINTS = 2000


class Recorder:
    """Takes each step's losses from the device about once a second, checks them, and writes them where people look.

    Attributes:
        saved: the step of the newest checkpoint; the loop sets it.
    """

    def __init__(
        self, losses: LossLog, status: StatusFile, summaries: Summaries, schedule: Callable[[int], Any], config: TrainingConfig
    ) -> None:
        self._losses, self._status, self._summaries, self._schedule = losses, status, summaries, schedule
        self._batch_size = config.batch_size
        self._every = max(1, config.steps // _CURVE_POINTS)
        self._pending: list[tuple[int, Any]] = []
        self._times: deque[tuple[float, int]] = deque()
        self._last = time.monotonic()
        self.saved = status.current.resumed_from

    def add(self, step: int, losses: Any) -> None:
        """Notes the losses (float32[3], perhaps not computed yet) of ``step``."""
        self._pending.append((step, losses))
        if len(self._pending) == _PENDING_STEPS or time.monotonic() - self._last >= _RECORD_SECONDS:
            self.record()

    def record(self) -> None:
        """Writes all that was noted."""
        if not self._pending:
            return
        lines = [self._line(step, losses.numpy()) for step, losses in self._pending]
        self._pending.clear()
        self._losses.append(lines)
        self._last = time.monotonic()
        rate = self._sequences_per_second(lines[-1]["step"])
        for line in lines:
            if line["step"] % self._every == 0:
                self._summarise(line, rate)
        self._summaries.flush()
        self._status.update(step=lines[-1]["step"], loss=lines[-1]["loss"], sequences_per_second=rate)

    def _line(self, step: int, losses: Any) -> dict[str, Any]:
        if not np.isfinite(losses).all():
            last = f"the last good checkpoint is of step {self.saved}" if self.saved else "there is no checkpoint before it"
            raise DivergenceError(
                f"the loss became {losses[0]} at step {step} ({last}); lower the learning rate or lengthen the warm-up"
            )
        loss, masked, next_sentence = (float(str(value)) for value in losses)  # the shortest digits of a float32
        return {"step": step, "loss": loss, "masked_lm_loss": masked, "next_sentence_loss": next_sentence}

    def _sequences_per_second(self, step: int) -> float | None:
        """Over the last seconds; None at first, since the first step's time is mostly compilation."""
        self._times.append((self._last, step))
        while len(self._times) > 2 and self._last - self._times[0][0] > _RATE_SECONDS:
            self._times.popleft()
        (before, first), (now, last) = self._times[0], self._times[-1]
        return round((last - first) * self._batch_size / (now - before), 1) if now > before else None

    def _summarise(self, line: dict[str, Any], rate: float | None) -> None:
        values = {name: value for name, value in line.items() if name != "step"}
        values["learning_rate"] = float(self._schedule(line["step"] - 1))
        if rate is not None:
            values["sequences_per_second"] = rate
        self._summaries.scalars(values, line["step"])
