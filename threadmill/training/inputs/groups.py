"""Which consecutive steps are handed to a device in one call."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class StepGroups:
    """Groups of steps as a function of the absolute number of the step alone, so that a run that goes on has the same ones.

    From each multiple of an interval, groups of ``size`` follow one another; the last one before the next multiple, or before
    the end of the run, holds what is left.

    Attributes:
        steps: of the run, in all.
        size: steps of a group at most.
        intervals: steps between things that are done between groups, such as checkpoints; an interval of 0 asks for nothing.
    """

    steps: int
    size: int = 1
    intervals: Sequence[int] = ()

    def sizes(self, start: int = 0) -> Iterator[int]:
        """The sizes of the groups after step ``start`` to the last; the first is shorter where ``start`` is inside one."""
        while start < self.steps:
            end = self._end(start)
            yield end - start
            start = end

    def _end(self, step: int) -> int:
        """The last step of the group that the step after ``step`` belongs to."""
        intervals = [interval for interval in self.intervals if interval > 0]
        begun = max((step - step % interval for interval in intervals), default=0)
        stop = min((step - step % interval + interval for interval in intervals), default=self.steps)
        full = step + self.size - (step - begun) % self.size
        return min(full, stop, self.steps)
