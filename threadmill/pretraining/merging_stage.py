"""The shards of pretraining records, merged from the encoded records of all portions: the last phase of the records stage."""

import gzip
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.shards import ShardName
from threadmill.engine.ordered import map_in_order
from threadmill.engine.stage import MapStage, Plan, ShardStream, Task, TaskOutput, TaskResult
from threadmill.pretraining.config import RecordsConfig
from threadmill.pretraining.sorted_records import merged, read_section

_GZIP_LEVEL = 6
_READERS = 8  # threads that wait for a store


class MergingStage(MapStage):
    """Writes shards from the dataset of `EncodingStage`.

    Args:
        plan: of the records stage, whose tasks are done.
        encoded_uri: that dataset.
        sections: of each split.
    """

    name = "records"
    version = 1
    unit = "documents"
    config: RecordsConfig

    def __init__(self, plan: Plan, encoded_uri: str, sections: dict[str, int], config: RecordsConfig) -> None:
        self._plan: Plan | None = plan
        self._encoded_uri, self._sections = encoded_uri, sections
        self.config = config

    def plan(self) -> Plan:
        """That of the records stage."""
        assert self._plan is not None  # a worker has none
        return self._plan

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_plan": None}  # a worker needs its own task only

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Writes one shard; the first of its split accounts for the split's documents. Memory: two sections of it."""
        shard: ShardName = task.payload
        dataset = Dataset.open(self._encoded_uri)
        files = [dataset.path(entry) for entry in dataset.shards(shard.split)]
        count, measured = self._sections[shard.split], Counter[str]()
        own = count // shard.count
        with output.shard(task.name) as stream, compressed(stream, self.config.compression) as sink:
            for number in range(shard.index * own, (shard.index + 1) * own):
                found = map_in_order(partial(read_section, number=number, sections=count), files, _READERS)
                for encoded in merged([section for section in found if section]):
                    sink.write(encoded.content.data)
                    stream.records += encoded.records
                    measured.update(encoded.measured)
        funnel = Counters(written=stream.records)
        if shard.index == 0:
            for portion in dataset.manifest.statistics["portions"]:
                if portion["split"] == shard.split:
                    funnel.merge(Counters.from_json(portion["funnel"]))
        return output.result(task, funnel, {shard.split: dict(measured)})


@contextmanager
def compressed(stream: ShardStream, compression: str) -> Iterator[Any]:
    """The stream itself, or one that compresses into it: without a time or a name, the same bytes each time."""
    if not compression:
        yield stream
        return
    with gzip.GzipFile("", "wb", _GZIP_LEVEL, stream, mtime=0) as sink:
        yield sink
