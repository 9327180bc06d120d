"""How examples lie in a shard: TFRecord, JSON lines, Parquet, or ParlAI's conversations.

A group of examples becomes a piece (`encode`: pure, on any thread), and a shard takes one piece after the other
(`open_shard`). TFRecord and JSON lines have the reference pipeline's names and keys. In all formats absent features are absent,
or null in Parquet's columns.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from threadmill.conversations.parlai import encode_parlai
from threadmill.datasets.json_lines import encode_json_lines
from threadmill.datasets.tfrecord import encode_examples
from threadmill.errors import ConfigError

Piece = Any
"""What `encode` makes of some examples: fit for the shards of the same format alone."""

_ROW_GROUP = 1 << 16
# Names that many examples share; the other features are nearly all different.
_DICTIONARY_COLUMNS = ["subreddit", "thread_id", "root_kind", "context_author", "response_author"]


class ShardWriter(Protocol):
    """A shard that is being written."""

    def write(self, piece: Piece) -> None:
        """Appends a piece."""


class _Stream(Protocol):
    def write(self, content: Any, /) -> Any: ...


@dataclass(frozen=True)
class _Format:
    encode: Callable[[pl.DataFrame], Piece]
    open: Callable[[Any, Sequence[str]], AbstractContextManager[ShardWriter]]


def encode(examples: pl.DataFrame, format: str) -> Piece:
    """The examples as a piece of a shard: a frame of strings, null where a feature is absent, columns sorted by name.

    Raises:
        ConfigError: there is no such format.
    """
    return _find(format).encode(examples)


def open_shard(stream: _Stream, format: str, features: Sequence[str]) -> AbstractContextManager[ShardWriter]:
    """A writer of one shard to the binary ``stream``, which is complete when the block ends.

    Args:
        features: all that the dataset's examples may have, sorted: Parquet's columns.

    Raises:
        ConfigError: there is no such format.
    """
    return _find(format).open(stream, features)


def _find(format: str) -> _Format:
    if format not in ENCODINGS:
        raise ConfigError(f"format is {format!r}; use one of {', '.join(ENCODINGS)}")
    return ENCODINGS[format]


def _tfrecord(examples: pl.DataFrame) -> memoryview:
    return encode_examples(examples.to_arrow(compat_level=pl.CompatLevel.oldest())).data


@contextmanager
def _appending(stream: Any, features: Sequence[str]) -> Iterator[ShardWriter]:
    """Pieces of bytes that follow each other."""
    yield stream


def _table(examples: pl.DataFrame) -> pa.Table:
    return examples.rechunk().to_arrow(compat_level=pl.CompatLevel.oldest())  # the edges of chunks would show in the pages


class _RowGroups:
    """Tables as row groups of a Parquet file. Its columns are plain strings: no Arrow schema says that ours were large."""

    def __init__(self, writer: pq.ParquetWriter) -> None:
        self._writer = writer

    def write(self, piece: pa.Table) -> None:
        if piece.num_rows:
            self._writer.write_table(piece, row_group_size=_ROW_GROUP)


@contextmanager
def _parquet(stream: Any, features: Sequence[str]) -> Iterator[ShardWriter]:
    writer = pq.ParquetWriter(
        stream,
        pa.schema([(name, pa.large_string()) for name in features]),
        compression="zstd",
        compression_level=1,
        use_dictionary=[name for name in _DICTIONARY_COLUMNS if name in features],
        store_schema=False,
        write_page_checksum=True,
    )
    with writer:
        yield _RowGroups(writer)


ENCODINGS = {
    "tfrecord": _Format(_tfrecord, _appending),
    "jsonl": _Format(encode_json_lines, _appending),
    "parquet": _Format(_table, _parquet),
    "parlai": _Format(encode_parlai, _appending),
}
