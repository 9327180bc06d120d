"""The records stage: a conversations dataset and a vocabulary to pretraining records, shard by shard."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from threadmill.conversations.reading import read_examples
from threadmill.conversations.statistics import CONVERSATIONS
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.shards import ShardName
from threadmill.datasets.tfrecord import encode_examples
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.errors import InputError
from threadmill.pretraining.config import BertConfig
from threadmill.pretraining.documents import conversation_documents
from threadmill.pretraining.objectives import OBJECTIVES
from threadmill.randomness import stream_key
from threadmill.vocab.vocabulary import STAGE as VOCABULARY
from threadmill.vocab.vocabulary import Vocabulary

_SUFFIX = "tfrecord"
_EARLIER_CONTEXT = re.compile(r"context/(\d+)")


class RecordsStage(MapStage):
    """Makes one shard of records from each shard of conversations, under the same name.

    A document is one example, its turns oldest first; a sentence is a turn. What is drawn depends on the seed, the
    shard's name, the document's row and the pass. The records of a pass are shuffled within their shard; the passes
    follow one another, so that a reader meets a document's duplicates epochs apart.

    The funnel counts examples. Statistics: ``splits``, and for each split the sums that its objective measures.
    """

    name = "records"
    version = 1
    unit = "examples"

    def __init__(self, conversations_uri: str, vocabulary_uri: str, config: BertConfig | None = None) -> None:
        self.conversations_uri = conversations_uri
        self.vocabulary_uri = vocabulary_uri
        self.config = config or BertConfig()

    def plan(self) -> Plan:
        """A task for each shard of each split."""
        conversations = Dataset.open(self.conversations_uri, *CONVERSATIONS)
        vocabulary = Dataset.open(self.vocabulary_uri, VOCABULARY)
        sources = [(name, conversations.path(shard)) for shard in conversations.shards() if (name := ShardName.parse(shard.name))]
        tasks = tuple(Task(str(replace(name, suffix=_SUFFIX)), (path, name.split)) for name, path in sources)
        schema = OBJECTIVES[self.config.objective].schema(self.config)
        return Plan((conversations.as_input(), vocabulary.as_input()), tasks, schema, conversations.manifest.partial)

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Makes the records of one shard."""
        conversations = Dataset.open(self.conversations_uri)
        vocabulary = Vocabulary.load(self.vocabulary_uri)
        path, split = task.payload
        objective = OBJECTIVES[self.config.objective]
        columns = turn_columns([field.name for field in conversations.manifest.schema])
        examples = read_examples(path, [*columns, "thread_id"])
        counters, measured = Counters(), Counter[str]()
        documents = conversation_documents(examples, columns, vocabulary, counters, keep_prefixes=self.config.keep_prefixes)
        del examples
        key = stream_key(self.config.objective, self.config.random_seed, task.name)
        with output.shard(task.name) as stream:
            for passage in range(self.config.dupe_factor if split == "train" else 1):
                for table in objective.tables(documents, vocabulary, self.config, key, passage):
                    stream.write(encode_examples(table))
                    stream.records += table.num_rows
                    measured.update(objective.measure(table))
            counters.written = stream.records
        return output.result(task, counters, {split: dict(measured)})

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """The sums of each split."""
        splits: dict[str, Counter[str]] = {}
        for part in parts:
            for split, measured in part.items():
                splits.setdefault(split, Counter()).update(measured)
        return {"splits": {split: dict(measured) for split, measured in splits.items()}}

    def check(self, counters: Counters) -> None:
        """Raises InputError where there is no record at all."""
        if not counters.written:
            raise InputError(
                f"{self.conversations_uri}: none of its {counters.read} examples has two turns with text; "
                "check the filters that made it"
            )


def turn_columns(names: Sequence[str]) -> list[str]:
    """The features of a conversations dataset that hold turns, oldest first: context/8 .. context/0, context, response."""
    earlier = [name for name in names if _EARLIER_CONTEXT.fullmatch(name)]
    return [*sorted(earlier, key=lambda name: -int(name.partition("/")[2])), "context", "response"]
