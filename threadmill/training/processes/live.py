"""How far a training process is: a bar in a terminal, a plain line every half minute in a log."""

import logging
import sys
import time
from datetime import timedelta
from typing import Any

from threadmill.training.runs.status import TRAINING, Status

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 30.0


class LiveProgress:
    """Shows a run's status. Use as a context manager."""

    def __init__(self, stage: str, unit: str) -> None:
        self._stage, self._unit = stage, unit
        self._last_line = time.monotonic()
        self._shown = ""
        self._resumed = False
        self._bar: Any = None

    def __enter__(self) -> "LiveProgress":
        if sys.stderr.isatty():
            self._bar = _terminal_bar()
            self._bar.start()
            self._task = self._bar.add_task(self._stage, total=None, told="starting")
        return self

    def show(self, status: Status) -> None:
        """Brings the display up to date."""
        if status.resumed_from and not self._resumed:
            self._resumed = True
            log.info("%s: going on from the checkpoint of step %s", self._stage, f"{status.resumed_from:,}")
        if self._bar is not None:
            told = ", ".join(self._measures(status)) if status.state == TRAINING else status.state
            self._bar.update(self._task, completed=status.step, total=status.steps or None, told=told)
        elif time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self._log(status)

    def _log(self, status: Status) -> None:
        step = [f"step {status.step:,} of {status.steps:,}"] if status.step else []
        line = ", ".join([status.state, *step, *self._measures(status)])
        if line != self._shown:  # a long start or export is told once
            self._shown = line
            log.info("%s: %s", self._stage, line)

    def _measures(self, status: Status) -> list[str]:
        loss = [] if status.loss is None else [f"loss {status.loss:.3f}"]
        rate = [] if status.examples_per_second is None else [f"{status.examples_per_second:,.0f} {self._unit}/s"]
        going = status.state == TRAINING and status.seconds_left is not None
        left = [f"{timedelta(seconds=round(status.seconds_left or 0))} left"] if going else []
        return [*loss, *rate, *left]

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()


def _terminal_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[told]}"))
    return Progress(*columns, console=Console(stderr=True), transient=True)
