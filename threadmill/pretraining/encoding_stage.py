"""Encoded records as a dataset of files in sections by their keys, a portion a task: between the phases of the records stage."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import InputEntry
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.pretraining.config import RecordsConfig
from threadmill.pretraining.objectives import Encoded, Objective, make_objective
from threadmill.pretraining.planning import account, passes_over, plan_rows
from threadmill.pretraining.portions import Portion
from threadmill.pretraining.scratch import scratch_folder
from threadmill.pretraining.sorted_records import write_sections
from threadmill.pretraining.split_tokens import SplitTokens
from threadmill.pretraining.spool import RowSpool
from threadmill.pretraining.store import StoredPart, TokenStore
from threadmill.pretraining.tokens import tokenise_portion
from threadmill.vocab.vocabulary import Vocabulary


class EncodingStage(MapStage):
    """Plans the rows of portions and encodes their records, those of a portion in one file, in sections by their keys.

    The funnel counts documents. Statistics: ``portions``, for each its ``split`` and its ``funnel``.

    Args:
        portions: of all splits.
        sections: of each split, into which its keys are divided.
        inputs: what the portions are of.
        tokens_uri: the dataset of `TokensStage`, where the objective reads other parts of the split; else "", and a portion
            is tokenised where its records are made.
    """

    name = "encoded"
    version = 1
    unit = "documents"
    config: RecordsConfig

    def __init__(
        self,
        portions: Sequence[Portion],
        sections: Mapping[str, int],
        vocabulary: Vocabulary,
        inputs: Sequence[InputEntry],
        config: RecordsConfig,
        tokens_uri: str = "",
    ) -> None:
        self._tasks = tuple(Task(str(portion.name), portion) for portion in portions)
        self._sections, self._vocabulary, self._inputs = dict(sections), vocabulary, tuple(inputs)
        self._tokens_uri = tokens_uri
        self.config = config

    def plan(self) -> Plan:
        """A task a portion."""
        return Plan(self._inputs, self._tasks, _objective(self.config, self._vocabulary).schema())

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tasks": ()}  # a worker needs its own task only

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Writes the records of a portion."""
        portion: Portion = task.payload
        objective, counters = _objective(self.config, self._vocabulary), Counters()
        with ExitStack() as stack:
            folder = stack.enter_context(scratch_folder(output.uri))
            source = self._source(portion, folder, counters, stack)
            account(objective, source.store, source.parts, counters)
            funnel = counters.to_json()
            spool = RowSpool(folder / "rows", objective.columns, self._sections[portion.split])
            stack.enter_context(closing(spool))
            plan_rows(objective, source.store, source.parts, passes_over(self.config, portion.split), spool)
            stream = stack.enter_context(output.shard(task.name))
            write_sections(source.encoded(objective, spool), stream)
        return output.result(task, replace(counters, written=stream.records), {"split": portion.split, "funnel": funnel})

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Those of the portions, in their order."""
        return {"portions": list(parts)}

    def _source(self, portion: Portion, folder: Path, counters: Counters, stack: ExitStack) -> "_OwnTokens | SplitTokens":
        if self._tokens_uri:
            source = stack.enter_context(SplitTokens.open(self._tokens_uri, portion.name, folder))
            counters.merge(source.funnel)
            return source
        store = tokenise_portion(portion, self._vocabulary, self.config, folder, counters)
        return _OwnTokens(store, store.parts)


@dataclass(frozen=True)
class _OwnTokens:
    """The tokens of a portion, where no row has others.

    Attributes:
        store: what rows are planned by.
        parts: those to plan.
    """

    store: TokenStore
    parts: tuple[StoredPart, ...]

    def encoded(self, objective: Objective, spool: RowSpool) -> Iterator[Iterator[Encoded]]:
        """The records of each bucket."""
        for bucket in range(spool.buckets):
            yield self._encoded(objective, spool, bucket)

    def _encoded(self, objective: Objective, spool: RowSpool, bucket: int) -> Iterator[Encoded]:
        for encoded in objective.encode(self.store, spool.read(bucket)):
            yield encoded
            self.store.has_read(encoded.records)


@lru_cache(maxsize=1)
def _objective(config: RecordsConfig, vocabulary: Vocabulary) -> Objective:
    """One for all tasks of a process: a vocabulary makes its encoder at its first use."""
    return make_objective(config, vocabulary)
