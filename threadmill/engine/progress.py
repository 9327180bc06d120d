"""How far a stage is: a bar in a terminal, plain lines in a log, silence when it is quick."""

import logging
import sys
import time
from types import TracebackType
from typing import Any

log = logging.getLogger(__name__)

_SECONDS_BETWEEN_LINES = 15.0


class Progress:
    """Counts tasks and input units as they finish. Use as a context manager."""

    def __init__(self, stage: str, unit: str, tasks: int) -> None:
        self._stage, self._unit, self._tasks = stage, unit, tasks
        self._done = self._units = 0
        self._start = self._last_line = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty() and self._tasks > 1:
            self._bar = _terminal_bar()
            self._bar.start()
            self._bar_task = self._bar.add_task(self._stage, total=self._tasks, units=self._summary())
        return self

    def advance(self, units: int) -> None:
        """One task more is done, of ``units`` input units."""
        self._done += 1
        self._units += units
        if self._bar is not None:
            self._bar.update(self._bar_task, completed=self._done, units=self._summary())
        elif self._done < self._tasks and time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            log.info("%s: %d of %d tasks, %s", self._stage, self._done, self._tasks, self._summary())

    def _summary(self) -> str:
        rate = self._units / max(time.monotonic() - self._start, 1e-3)
        return f"{self._units:,} {self._unit}, {rate:,.0f}/s"

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()


def _terminal_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (TextColumn("{task.description:<14}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[units]}"))
    return RichProgress(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
