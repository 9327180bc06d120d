"""Makes tiny conversations datasets for tests, with the real codecs and manifest."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from threadmill.conversations.formats import encode, open_shard
from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import Field
from threadmill.datasets.shards import ShardName
from threadmill.engine.run import run_stage
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult

EXTRA_CONTEXTS = 9
FEATURES = sorted(["thread_id", "context", "response", *(f"context/{depth}" for depth in range(EXTRA_CONTEXTS))])
REAL_DATA = Path(__file__).parents[1] / ".." / "shared" / "data"
_BEGINNINGS, _ENDINGS = ("ka", "lo", "mi", "su", "te", "vorn", "gel"), ("ra", "nim", "dol", "set", "bik", "ush")

Example = tuple[str, Sequence[str]]
"""A thread's id and the turns of one example, oldest first."""


@dataclass(frozen=True)
class _Config:
    format: str


class _Conversations(MapStage):
    name = "conversations"
    version = 1
    unit = "examples"

    def __init__(self, splits: Mapping[str, Sequence[Sequence[Example]]], config: _Config) -> None:
        self.splits = splits
        self.config = config

    def plan(self) -> Plan:
        tasks = tuple(
            Task(str(ShardName(split, index, len(shards), self.config.format)), shard)
            for split, shards in self.splits.items()
            for index, shard in enumerate(shards)
        )
        return Plan((), tasks, tuple(Field(name, "bytes") for name in FEATURES))

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        rows = [example_features(*example) for example in task.payload]
        with output.shard(task.name) as stream, open_shard(stream, self.config.format, FEATURES) as shard:
            shard.write(encode(pl.DataFrame(rows, schema=dict.fromkeys(FEATURES, pl.String)), self.config.format))
            stream.records = len(rows)
        return output.result(task, Counters(len(rows), len(rows), len(rows)))


def write_conversations(folder: Path, splits: Mapping[str, Sequence[Sequence[Example]]], format: str = "tfrecord") -> str:
    """Writes a conversations dataset: split -> shards -> examples. Returns its URI."""
    run_stage(_Conversations(splits, _Config(format)), str(folder), name="conversations", workers=1)
    return str(folder)


def made_examples(threads: int, seed: int = 0, words: Sequence[str] = ()) -> list[Example]:
    """Examples of threads of two to six turns with replies to random turns, as the conversations stage would make them."""
    random_numbers = random.Random(seed)
    lexicon = words or [a + b for a in _BEGINNINGS for b in _ENDINGS]
    examples = []
    for thread in range(threads):
        paths: list[list[str]] = [[_sentence(random_numbers, lexicon)]]
        for _ in range(random_numbers.randint(1, 6)):
            path = [*random_numbers.choice(paths), _sentence(random_numbers, lexicon)]
            paths.append(path)
            examples.append((f"t{thread}", path[-(EXTRA_CONTEXTS + 2) :]))
    return examples


def shards_of(examples: Sequence[Example], count: int) -> list[list[Example]]:
    """The examples in ``count`` shards, each thread in one of them."""
    shards: list[list[Example]] = [[] for _ in range(count)]
    for thread, turns in examples:
        shards[sum(thread.encode()) % count].append((thread, turns))
    return shards


def _sentence(random_numbers: random.Random, lexicon: Sequence[str]) -> str:
    return " ".join(random_numbers.choices(lexicon, k=random_numbers.randint(1, 30)))


def example_features(thread: str, turns: Sequence[str]) -> dict[str, Any]:
    """An example as a conversations dataset holds it."""
    *extra, context, response = turns
    features: dict[str, Any] = {"thread_id": thread, "context": context, "response": response}
    for depth, text in enumerate(reversed(extra)):
        features[f"context/{depth}"] = text
    return features
