"""Tiny conversations datasets whose examples tell what deduplication asks for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from threadmill.conversations.rewriting import write_examples
from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import Field
from threadmill.datasets.shards import ShardName
from threadmill.engine.run import run_stage
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult

FEATURES = ("context", "context/0", "created_utc", "example_id", "response", "thread_id")
Example = dict[str, str | None]


@dataclass(frozen=True)
class _Config:
    format: str


class _Conversations(MapStage):
    name = "conversations"
    version = 1
    unit = "examples"

    def __init__(self, splits: Mapping[str, Sequence[Sequence[Example]]], config: _Config, partial: bool) -> None:
        self.splits, self.config, self.partial = splits, config, partial

    def plan(self) -> Plan:
        tasks = tuple(
            Task(str(ShardName(split, index, len(shards), self.config.format)), shard)
            for split, shards in self.splits.items()
            for index, shard in enumerate(shards)
        )
        return Plan((), tasks, tuple(Field(name, "bytes") for name in FEATURES), self.partial)

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        rows = [dict.fromkeys(FEATURES) | example for example in task.payload]
        written = write_examples(output, task.name, pl.DataFrame(rows, schema=dict.fromkeys(FEATURES, pl.String)))
        return output.result(task, Counters(written, written, written))


def example(name: str, time: int, context: str, response: str = "a response of some length") -> Example:
    return {"example_id": name, "created_utc": str(time), "context": context, "response": response, "thread_id": f"of {name}"}


def write(
    folder: Path, splits: Mapping[str, Sequence[Sequence[Example]]], format: str = "tfrecord", partial: bool = False
) -> str:
    """Writes a conversations dataset, split -> shards -> examples; returns its URI."""
    stage = _Conversations(splits, _Config(format), partial)
    run_stage(stage, str(folder), name="conversations", workers=1, allow_partial=True)
    return str(folder)
