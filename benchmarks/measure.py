"""Times whole commands: wall, CPU of all their processes, and the peak of all their memory together."""

import resource
import subprocess
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import psutil

_SAMPLE_SECONDS = 0.02


@dataclass(frozen=True)
class Cost:
    """What a command took: seconds of wall time, CPU seconds of it and its children, peak MB of all their memory."""

    wall: float
    cpu: float
    peak_mb: float


def run(command: Sequence[str], *, env: dict[str, str] | None = None, sample_memory: bool = True) -> Cost:
    """Runs a command to its end.

    Memory is the proportional set size (PSS) summed over the process tree, sampled every 20 ms, so that pages shared by
    workers count once. To sample slows a command down that maps much memory: time is told best without.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    before, start = _children_cpu(), time.perf_counter()
    process = subprocess.Popen(command, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = _Peak(process.pid)
    if sample_memory:
        peak.start()
    _, error = process.communicate()
    wall = time.perf_counter() - start
    if sample_memory:
        peak.stop()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command, stderr=error)
    return Cost(wall, _children_cpu() - before, peak.bytes / 1e6)


def median_of(costs: Sequence[Cost]) -> Cost:
    """The median of each figure."""
    return Cost(median(cost.wall for cost in costs), median(cost.cpu for cost in costs), median(cost.peak_mb for cost in costs))


def _children_cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class _Peak(threading.Thread):
    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid, self._done = pid, threading.Event()
        self.bytes = 0

    def run(self) -> None:
        while not self._done.wait(_SAMPLE_SECONDS):
            self.bytes = max(self.bytes, _tree_memory(self._pid))

    def stop(self) -> None:
        self._done.set()
        self.join()


def _tree_memory(pid: int) -> int:
    total = 0
    try:
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            total += process.memory_full_info().pss
    except psutil.Error:
        return total
    return total
