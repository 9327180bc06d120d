"""The signatures stage: of each example of a conversations dataset, the keys that its duplicates share.

The signatures of all months, of examples kept or dropped alike, are the store against which a month is deduplicated. They
hold ids, times and hashes, no text.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from threadmill.conversations.reading import read_examples
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Field
from threadmill.datasets.shards import ShardName
from threadmill.deduplication.config import DeduplicationConfig
from threadmill.deduplication.minhash import algorithm, band_keys
from threadmill.deduplication.shingles import Keys, shingles_of
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.errors import ConfigError, InputError

FEATURES = ("context", "response", "example_id", "created_utc")
_ROWS = 1 << 16  # examples whose shingles are held at a time
_SHARD_BITS = 40
PLACES_A_SHARD = 1 << _SHARD_BITS  # a shard has fewer examples
# Keys are as good as random: nothing makes them smaller.
_COMPRESSION = {
    "example_id": "zstd",
    "created_utc": "zstd",
    "place": "zstd",
    "exact_key": "none",
    "band_keys.list.element": "none",
}
_SCHEMA = pa.schema(
    [
        ("example_id", pa.string()),
        ("created_utc", pa.int64()),
        ("place", pa.int64()),
        ("exact_key", pa.int64()),
        ("band_keys", pa.list_(pa.int64())),
    ]
)


@dataclass(frozen=True)
class SignaturesStage(MapStage):
    """One shard of examples to one shard of their signatures, row by row. The funnel counts examples.

    Args:
        conversations: URI of a conversations dataset.
    """

    name = "signatures"
    version = 1
    unit = "examples"

    conversations: str
    config: DeduplicationConfig = field(default_factory=DeduplicationConfig)

    def plan(self) -> Plan:
        """One task a shard of examples.

        Raises:
            ConfigError: the settings say that nothing is a duplicate.
            InputError: no conversations dataset there, or one whose examples have no time.
        """
        if self.config.deduplication == "none":
            raise ConfigError(
                "deduplication is none, so there is nothing to compare; choose exact or near, or leave the stage out"
            )
        dataset = Dataset.open(self.conversations, "conversations", "deduplicate")
        require_features(dataset)
        tasks = []
        for number, shard in enumerate(dataset.manifest.shards):
            tasks.append(Task(signatures_name(shard.name), (dataset.path(shard), number)))
        schema = tuple(Field(entry.name, str(entry.type)) for entry in _SCHEMA)
        return Plan((dataset.as_input(),), tuple(tasks), schema, dataset.manifest.partial)

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Makes one shard, a slice of its examples at a time."""
        uri, number = task.payload
        with (
            output.shard(task.name) as stream,
            pq.ParquetWriter(stream, _SCHEMA, compression=_COMPRESSION, use_dictionary=False) as writer,
        ):
            for table in signature_tables(uri, number, self.config):
                writer.write_table(table)
                stream.records += table.num_rows
            records = stream.records
        return output.result(task, Counters(records, records, records), {"algorithm": algorithm()})

    def statistics(self, parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Which MinHash made them."""
        return dict(parts[0])


def signatures_name(shard: str) -> str:
    """The name of the signatures of a shard of examples."""
    parts = ShardName.parse(shard)
    assert parts is not None
    return str(ShardName(parts.split, parts.index, parts.count, "parquet"))


def require_features(dataset: Dataset) -> None:
    """Raises InputError where the examples lack what signatures are made of."""
    missing = sorted(set(FEATURES) - {entry.name for entry in dataset.manifest.schema})
    if missing:
        raise InputError(f"{dataset.uri}: its examples have no {', '.join(missing)}; run the conversations stage again")


def signature_tables(uri: str, number: int, config: DeduplicationConfig) -> list[pa.Table]:
    """The signatures of the ``number``-th shard's examples, in slices; ``place`` is the shard's number and the example's row.

    Raises:
        InputError: the time of an example is no number.
    """
    examples = read_examples(uri, FEATURES)
    try:
        examples = examples.with_columns(pl.col("created_utc").cast(pl.Int64))
    except pl.exceptions.InvalidOperationError:
        raise InputError(
            f"{uri}: an example's created_utc is no whole number of seconds; run the conversations stage again"
        ) from None
    places = (number << _SHARD_BITS) + np.arange(examples.height)
    return [
        _signatures(examples.slice(start, _ROWS), places[start : start + _ROWS], config)
        for start in range(0, examples.height, _ROWS)
    ]


def shard_and_row(places: Keys) -> tuple[Keys, Keys]:
    """The numbers of the shards, and the rows in them, that ``place`` tells."""
    return places >> _SHARD_BITS, places & ((1 << _SHARD_BITS) - 1)


def _signatures(examples: pl.DataFrame, places: Keys, config: DeduplicationConfig) -> pa.Table:
    shingles = shingles_of(examples["context"], examples["response"], config.ngram)
    bands = band_keys(shingles, config) if config.near else np.zeros((examples.height, 0), np.int64)
    offsets = np.arange(examples.height + 1, dtype=np.int32) * bands.shape[1]
    columns = [
        examples["example_id"].to_arrow(compat_level=pl.CompatLevel.oldest()).cast(pa.string()),
        examples["created_utc"].to_arrow(),
        _arrow(places),
        _arrow(shingles.exact),
        pa.ListArray.from_arrays(_arrow(offsets), _arrow(bands.reshape(-1))),
    ]
    return pa.table(columns, schema=_SCHEMA)


def _arrow(values: npt.NDArray[Any]) -> pa.Array:
    return pl.Series(values).to_arrow()  # pyarrow would look for pandas first, whose import takes a third of a second


def difference(first: Dataset, second: Dataset) -> str:
    """What two signatures datasets were made with that is not the same; "" where they can be compared."""
    ours, theirs = first.manifest, second.manifest
    names = [entry for entry in asdict(DeduplicationConfig()) if ours.config.get(entry) != theirs.config.get(entry)]
    found = [f"{name} is {theirs.config.get(name)}, not {ours.config.get(name)}" for name in names]
    if (ours.version, ours.statistics) != (theirs.version, theirs.statistics):
        found.append(f"made by another Threadmill ({theirs.statistics.get('algorithm')})")
    return "; ".join(found)
