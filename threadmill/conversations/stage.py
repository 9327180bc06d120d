"""The conversations stage: shards of threads to shards of context/response examples."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
import polars as pl

from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.examples import COLUMNS, choose_examples, feature_names
from threadmill.conversations.formats import Piece, encode, open_shard
from threadmill.conversations.linking import Rows
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.digest import json_digest
from threadmill.datasets.manifest import Field
from threadmill.datasets.parquet import open_parquet
from threadmill.datasets.shards import ShardName
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.errors import InputError


@dataclass(frozen=True)
class ConversationsStage(MapStage):
    """One shard of threads to one shard of examples of the same split and number. The funnel counts comments.

    Args:
        threads: URI of a threads dataset.
    """

    name = "conversations"
    version = 1
    unit = "comments"

    threads: str
    config: ConversationsConfig = field(default_factory=ConversationsConfig)

    def plan(self) -> Plan:
        """One task a shard of threads."""
        dataset = Dataset.open(self.threads)
        if dataset.manifest.stage != "threads":
            raise InputError(f"{self.threads} is a dataset of stage {dataset.manifest.stage}; name a threads dataset")
        tasks = []
        for shard in dataset.manifest.shards:
            parts = ShardName.parse(shard.name)
            assert parts is not None
            tasks.append(Task(str(ShardName(parts.split, parts.index, parts.count, self.config.format)), dataset.path(shard)))
        return Plan((dataset.as_input(),), tuple(tasks), example_schema(self.config), dataset.manifest.partial)

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Makes one shard, a row group of whole threads at a time."""
        counters = Counters()
        shard = ShardName.parse(task.name)
        assert shard is not None
        with (
            output.shard(task.name) as stream,
            open_shard(stream, self.config.format, feature_names(self.config)) as examples,
        ):
            for number, comments in enumerate(_read_groups(task.payload)):
                pieces, counts = encode_group(comments, self.config, shard, number)
                for piece in pieces:
                    examples.write(piece)
                stream.records += counts.written
                counters.merge(counts)
        return output.result(task, counters, {"examples": {shard.split: counters.written}})

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Examples a split."""
        examples: Counter[str] = Counter()
        for part in parts:
            examples.update(part["examples"])
        return {"examples": dict(examples)}

    def check(self, counters: Counters) -> None:
        """Raises InputError where there is no example at all."""
        refuse_no_examples(counters, self.threads, self.unit)


def example_schema(config: ConversationsConfig) -> tuple[Field, ...]:
    """The features of an example, all bytes_list."""
    return tuple(Field(name, "bytes") for name in feature_names(config))


def refuse_no_examples(counters: Counters, source: str, unit: str) -> None:
    """Raises InputError where a finished stage has written nothing, with what dropped most."""
    if not counters.written:
        dropped = sorted(counters.dropped.items(), key=lambda item: -item[1])
        reasons = ", ".join(f"{reason} {count}" for reason, count in dropped)
        raise InputError(
            f"{source}: its {counters.read} {unit} give no example ({reasons}); "
            "add the months before, or loosen the filter that drops most"
        )


def _read_groups(path: str) -> Iterator[pl.DataFrame]:
    with open_parquet(path) as file:
        for group in range(file.num_row_groups):
            yield pl.DataFrame(file.read_row_group(group, columns=list(COLUMNS)))


def encode_group(
    comments: pl.DataFrame, config: ConversationsConfig, shard: ShardName, number: int
) -> tuple[Iterable[Piece], Counters]:
    """The examples of the ``number``-th group of whole threads of a shard, as pieces of it in order, and their funnel.

    The first piece is made, which mostly is all. Where a thread of very many comments makes a group large, the others are
    made as they are asked for.
    """
    chosen = choose_examples(comments, config)
    pieces = (encode(examples, config.format) for examples in chosen.slices(_shuffle(len(chosen.responses), shard, number)))
    return chain([next(pieces)], pieces), chosen.counters


def _shuffle(examples: int, shard: ShardName, group: int) -> Rows:
    """An order of no meaning, the same each time and in each format: no thread's turns lie side by side."""
    seed = int(json_digest([shard.split, shard.index, shard.count, group])[:16], 16)
    order: Rows = np.random.Generator(np.random.PCG64(seed)).permutation(examples)
    return order
