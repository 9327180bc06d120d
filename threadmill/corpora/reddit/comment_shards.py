"""Comments as Parquet shards: the same rows in the same pieces give the same bytes."""

from contextlib import ExitStack
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from threadmill.corpora.reddit.comments import empty_comments
from threadmill.engine.stage import NumberedShards, ShardStream

ROW_GROUP = 1 << 16  # rows, of shards whose rows come from a warehouse
_DICTIONARY_COLUMNS = ["parent_kind", "subreddit", "author", "distinguished", "removal", "month"]


def comments_writer(stream: ShardStream) -> pq.ParquetWriter:
    """A writer of one shard; each table that it is given becomes a row group."""
    schema = arrow_table(empty_comments()).schema
    return pq.ParquetWriter(stream, schema, compression="zstd", compression_level=1, use_dictionary=_DICTIONARY_COLUMNS)


class ParquetShards:
    """Cuts a stream of frames into Parquet shards of ``shard_rows`` rows."""

    def __init__(self, shards: NumberedShards, shard_rows: int) -> None:
        self._shards, self._shard_rows = shards, shard_rows
        self._shard: ExitStack | None = None

    def __enter__(self) -> "ParquetShards":
        return self

    def write(self, frame: pl.DataFrame) -> None:
        """Appends rows, opening shards as they are needed."""
        start = 0
        while start < frame.height:
            if self._shard is None:
                self._shard = self._open()
            rows = frame.slice(start, self._shard_rows - self._stream.records)
            self._writer.write_table(arrow_table(rows))
            self._stream.records += rows.height
            start += rows.height
            if self._stream.records == self._shard_rows:
                shard, self._shard = self._shard, None
                shard.close()

    def _open(self) -> ExitStack:
        with ExitStack() as shard:
            self._stream = shard.enter_context(self._shards.shard())
            self._writer = shard.enter_context(comments_writer(self._stream))
            return shard.pop_all()

    def __exit__(self, *error: Any) -> None:
        if self._shard is not None:
            self._shard.__exit__(*error)


def arrow_table(frame: pl.DataFrame) -> pa.Table:
    """The Arrow table of a frame of comments, of the types that all readers know."""
    return frame.to_arrow(compat_level=pl.CompatLevel.oldest())
