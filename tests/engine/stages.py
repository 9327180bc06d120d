"""Stages for the tests of the engine, in a module that worker processes can import.

What a test wants to happen in a task it says with files in a control folder, which is no part of the config:
``fail-NAME``, ``die-NAME`` and ``wait-NAME`` act when half of the task's shard is written; the tasks that ran leave
``ran-NAME-PID``.
"""

import os
import signal
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import Field, InputEntry
from threadmill.datasets.shards import ShardName
from threadmill.engine.stage import MapStage, Plan, StreamStage, Task, TaskOutput, TaskResult
from threadmill.errors import InputError

LINES = 1000


@dataclass(frozen=True)
class NumbersConfig:
    """What the bytes depend on."""

    shards: int = 4
    step: int = 1


@dataclass
class NumbersStage(MapStage):
    """Writes numbers, a line each, and drops every tenth; dead letters for shard 1."""

    name = "numbers"
    version = 1
    unit = "numbers"

    control: str
    config: NumbersConfig = NumbersConfig()
    inputs: tuple[InputEntry, ...] = ()
    partial: bool = False

    def plan(self) -> Plan:
        return Plan(self.inputs, number_tasks(self.config), (Field("number", "string"),), self.partial)

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        return write_numbers(task, output, self.config, self.control)

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return merged(parts)


@dataclass
class StreamedNumbersStage(StreamStage):
    """The same shards out of one stream. Notes the tasks it was given, and whether the lock was held at its end."""

    name = "numbers"
    version = 1
    unit = "numbers"

    control: str
    config: NumbersConfig = NumbersConfig()

    def plan(self) -> Plan:
        return Plan((), number_tasks(self.config), (Field("number", "string"),))

    def stream(self, tasks: Sequence[Task], uri: str, workers: int) -> Iterator[TaskResult]:
        try:
            for task in tasks:
                yield write_numbers(task, TaskOutput(uri), self.config, self.control)
        finally:
            Path(self.control, "closed-locked" if Path(uri, ".lock").exists() else "closed-late").touch()

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        return merged(parts)


class DishonestStage(NumbersStage):
    """Forgets what it dropped, and evades the check of a task's counters."""

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        result = super().process(task, output)
        return TaskResult(task.name, result.shards, Counters(LINES, LINES - 1, LINES), (), result.statistics)


class HastyStage(NumbersStage):
    """Forgets what it dropped, and leaves the check to its task's end."""

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        super().process(task, output)
        return output.result(task, Counters(LINES, LINES - 1, LINES))


class CutShortStage(NumbersStage):
    """Finds that the input of its third task ends too early."""

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        return replace(super().process(task, output), partial=task.payload == 2)


class UselessStage(NumbersStage):
    """Finds at the end that nothing came of it."""

    def check(self, counters: Counters) -> None:
        raise InputError(f"none of {counters.read} numbers is of use; name others")


class UnwritableStage(StreamedNumbersStage):
    """Measures what JSON cannot hold, so that its receipt cannot be written."""

    def stream(self, tasks: Sequence[Task], uri: str, workers: int) -> Iterator[TaskResult]:
        for result in super().stream(tasks, uri, workers):
            yield TaskResult(result.name, result.shards, result.counters, (), {"first": object()})


def number_tasks(config: NumbersConfig) -> tuple[Task, ...]:
    """A task a shard."""
    return tuple(Task(str(ShardName("train", index, config.shards, "txt")), index) for index in range(config.shards))


def merged(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The first number of each task."""
    return {"firsts": [part["first"] for part in parts]}


def write_numbers(task: Task, output: TaskOutput, config: NumbersConfig, control: str) -> TaskResult:
    """Writes one shard in two halves; between them it does what the control folder says."""
    Path(control, f"ran-{task.payload}-{os.getpid()}").touch()
    counters, first = Counters(), task.payload * LINES * config.step
    numbers = range(first, first + LINES * config.step, config.step)
    kept = [number for number in numbers if number % 10]
    with output.shard(task.name) as stream:
        stream.write("".join(f"{number}\n" for number in kept[: len(kept) // 2]).encode())
        stream.flush()
        obey(control, task.payload)
        stream.write("".join(f"{number}\n" for number in kept[len(kept) // 2 :]).encode())
        stream.records = len(kept)
    if task.payload == 1:
        with output.dead_letters(str(ShardName("dead_letters", 0, 1, "txt"))) as letters:
            letters.write(b"not a number\n")
            letters.records = 1
    counters.read, counters.kept, counters.written = len(numbers), len(kept), len(kept)
    counters.drop("tenth", len(numbers) - len(kept))
    return output.result(task, counters, {"first": first})


def obey(control: str, name: object) -> None:
    """Does what the control folder says for the task ``name``."""
    while Path(control, f"wait-{name}").exists():
        time.sleep(0.01)
    if Path(control, f"fail-{name}").exists():
        raise InputError(f"number {name} is missing; write it")
    if Path(control, f"die-{name}").exists():
        os.kill(os.getpid(), signal.SIGKILL)
