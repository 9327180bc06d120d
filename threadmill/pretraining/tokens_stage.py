"""The tokens of a corpus as a dataset of token files, a portion a task: between the phases of the records stage."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import Field, InputEntry
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.pretraining.config import RecordsConfig
from threadmill.pretraining.portions import Portion
from threadmill.pretraining.scratch import scratch_folder
from threadmill.pretraining.token_files import write_tokens
from threadmill.pretraining.tokens import tokenise_portion
from threadmill.vocab.vocabulary import Vocabulary


class TokensStage(MapStage):
    """Tokenises portions.

    The funnel counts documents. Statistics: ``portions``, for each its ``split``, its number of ``groups``, its ``funnel``
    and its ``parts`` (name, kind, first, stop).

    Args:
        inputs: what the portions are of.
    """

    name = "tokens"
    version = 1
    unit = "documents"
    config: RecordsConfig

    def __init__(
        self, portions: Sequence[Portion], vocabulary: Vocabulary, inputs: Sequence[InputEntry], config: RecordsConfig
    ) -> None:
        self._tasks = tuple(Task(str(portion.name), portion) for portion in portions)
        self._vocabulary, self._inputs = vocabulary, tuple(inputs)
        self.config = config

    def plan(self) -> Plan:
        """A task a portion."""
        return Plan(self._inputs, self._tasks, (Field("ids", "int32"),))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_tasks": ()}  # a worker needs its own task only

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Writes the token file of a portion."""
        counters = Counters()
        with scratch_folder(output.uri) as folder, output.shard(task.name) as stream:
            store = tokenise_portion(task.payload, self._vocabulary, self.config, folder, counters)
            write_tokens(store, stream)
        measured = {"split": task.payload.split, "groups": len(store.group_offsets) - 1, "funnel": counters.to_json()}
        parts = [[part.name, part.kind, part.first, part.stop] for part in store.parts]
        return output.result(task, replace(counters, written=store.documents), {**measured, "parts": parts})

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Those of the portions, in their order."""
        return {"portions": list(parts)}
