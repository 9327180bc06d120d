"""Shards of examples written anew from examples that were read: the same features, in the same format."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from threadmill.conversations.formats import encode, open_shard
from threadmill.conversations.reading import read_examples
from threadmill.datasets.shards import ShardName
from threadmill.datasets.tfrecord import read_buffer, select_records
from threadmill.engine.stage import TaskOutput

_ROWS = 1 << 16  # examples that are encoded at a time


def read_all(uri: str, features: Sequence[str]) -> pl.DataFrame:
    """All features of a shard's examples, in the shard's order, fit for `write_examples`."""
    return read_examples(uri, sorted(features, key=str.encode))


def write_selected(output: TaskOutput, name: str, uri: str, kept: npt.NDArray[np.bool_], features: Sequence[str]) -> int:
    """Writes the shard ``name`` with those examples of the shard at ``uri`` for which ``kept`` holds, of the same format.

    Args:
        kept: bool[n], one an example.
        features: all that the dataset's examples may have.
    """
    if not name.endswith(".tfrecord"):
        return write_examples(output, name, read_all(uri, features).filter(kept))
    with output.shard(name) as stream:  # no need to take records apart
        stream.write(select_records(read_buffer(uri), kept, uri))
        stream.records = int(np.count_nonzero(kept))
        return stream.records


def write_examples(output: TaskOutput, name: str, examples: pl.DataFrame) -> int:
    """Writes the shard ``name``, whose ending tells the format; returns how many examples it has.

    Equal examples give equal bytes: of a shard that is read and written, records stay as they were.
    """
    parts = ShardName.parse(name)
    assert parts is not None
    with output.shard(name) as stream, open_shard(stream, parts.suffix, examples.columns) as shard:
        for start in range(0, examples.height, _ROWS):
            piece = examples.slice(start, _ROWS)
            shard.write(encode(piece, parts.suffix))
            stream.records += piece.height
        return stream.records
