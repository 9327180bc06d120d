"""Exports as Parquet (of the public BigQuery tables) to comments, or to dead letters with a reason, a batch at a time."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from threadmill.corpora.addresses import public_uri
from threadmill.corpora.reddit.comments import DeadLetter, Parsed
from threadmill.corpora.reddit.dump import DamagedSourceError
from threadmill.corpora.reddit.rows import RAW, comments_of, missing_columns
from threadmill.corpora.reddit.sources import readable
from threadmill.datasets import storage
from threadmill.errors import InputError

_BATCH_ROWS = 32_768
_IDS_BASE_10 = ("parent_id", "link_id")  # as numbers: see rows.py


def parquet_pieces(uri: str, first_row: int, month: str) -> Iterator[Callable[[], Parsed]]:
    """The file in pieces, each to be parsed by calling it, on whatever thread. They count rows.

    Args:
        first_row: added to a row's number (from 1) to give its ``source_row``.
        month: where given (YYYY-MM), rows of another month (UTC) are dead letters.

    Raises:
        InputError: it lacks the columns of comments or of submissions, or has them in types that cannot be read.
        DamagedSourceError: it is truncated or corrupt.
    """
    done = 0
    with ExitStack() as stack:
        try:
            file = pq.ParquetFile(stack.enter_context(storage.open_read(readable(uri))), pre_buffer=False)
            names = _columns(uri, file.schema_arrow)
            for batch in file.iter_batches(_BATCH_ROWS, columns=names, use_threads=False):
                yield partial(_parsed, batch, done, first_row, month)
                done += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            fault = f"truncated or corrupt Parquet after row {done} ({str(error).splitlines()[0][:100]})"
            raise DamagedSourceError(uri, fault) from error


def _columns(uri: str, schema: pa.Schema) -> list[str]:
    if missing := missing_columns(schema.names):
        raise InputError(
            f"{public_uri(uri)} has no column {' or '.join(missing)} (it has {', '.join(schema.names)[:200]}); "
            "export the table with those columns"
        )
    names = [name for name in schema.names if name in RAW]
    for name in names:
        if pa.types.is_nested(schema.field(name).type) or pa.types.is_binary(schema.field(name).type):
            raise InputError(
                f"{public_uri(uri)}: column {name} is of type {schema.field(name).type}; export it as text or number"
            )
    return names


def _parsed(batch: pa.RecordBatch, done: int, first_row: int, month: str) -> Parsed:
    table = pl.DataFrame(pl.from_arrow(batch))
    raw = table.select(_text(name, kind) for name, kind in table.schema.items())
    numbers = pl.int_range(done + 1, done + table.height + 1, eager=True)
    frame, faults = comments_of(raw, numbers + first_row, month)
    letters = [
        DeadLetter(done + fault.row + 1, fault.reason, fault.detail, str(raw.row(fault.row, named=True))[:200])
        for fault in faults
    ]
    return Parsed(table.height, frame, letters)


def _text(name: str, kind: pl.DataType) -> pl.Expr:
    """A column as text, in the form in which `comments_of` takes it."""
    column = pl.col(name)
    if kind.is_temporal():
        return column.dt.epoch("s").cast(pl.String) if isinstance(kind, pl.Datetime) else column.cast(pl.String)
    if name in _IDS_BASE_10 and kind.is_numeric():
        return pl.concat_str(column.cast(pl.Int64, strict=False).cast(pl.String), pl.lit(".0")).alias(name)
    return column.cast(pl.String)
