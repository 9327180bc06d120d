"""Exports as Parquet (of the public BigQuery tables) to comments, or to dead letters with a reason, a batch at a time."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from operator import attrgetter

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from threadmill.corpora.addresses import public_uri
from threadmill.corpora.reddit.comments import DeadLetter, Parsed, excerpt
from threadmill.corpora.reddit.dump import DamagedSourceError
from threadmill.corpora.reddit.rows import RAW, comments_of, missing_columns
from threadmill.corpora.reddit.sources import readable
from threadmill.datasets import storage
from threadmill.errors import InputError

_BATCH_ROWS = 32_768
_UNFIT = (
    pa.types.is_nested,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
    pa.types.is_fixed_size_binary,
)
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)
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
        if any(is_unfit(schema.field(name).type) for is_unfit in _UNFIT):
            raise InputError(
                f"{public_uri(uri)}: column {name} is of type {schema.field(name).type}; export it as text or number"
            )
    return names


def _parsed(batch: pa.RecordBatch, done: int, first_row: int, month: str) -> Parsed:
    rows = batch.num_rows
    numbers = pl.int_range(done + 1, done + rows + 1, eager=True)
    letters = [DeadLetter(done + row + 1, "not UTF-8", name, excerpt(text)) for row, (name, text) in _not_utf8(batch).items()]
    table = pl.DataFrame(pl.from_arrow(batch))
    if letters:
        good = ~numbers.is_in([letter.line for letter in letters])
        table, numbers = table.filter(good), numbers.filter(good)
    raw = table.select(_text(name, kind) for name, kind in table.schema.items())
    frame, faults = comments_of(raw, numbers + first_row, month)
    letters += [
        DeadLetter(numbers[fault.row], fault.reason, fault.detail, str(raw.row(fault.row, named=True))[:200]) for fault in faults
    ]
    return Parsed(rows, frame, sorted(letters, key=attrgetter("line")))


def _not_utf8(batch: pa.RecordBatch) -> dict[int, tuple[str, bytes]]:
    """Each row with a text that is no UTF-8: its column and the text. Writers may let it pass; polars takes texts on trust."""
    try:
        batch.validate(full=True)
        return {}
    except pa.ArrowInvalid:  # it names the first such text alone
        bad: dict[int, tuple[str, bytes]] = {}
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        texts = column.dictionary_decode() if pa.types.is_dictionary(column.type) else column
        if any(is_text(texts.type) for is_text in _TEXTS):
            for row, text in enumerate(texts.cast(pa.large_binary()).to_pylist()):
                if text is not None and not _is_utf8(text):
                    bad.setdefault(row, (name, text))
    return bad


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _text(name: str, kind: pl.DataType) -> pl.Expr:
    """A column as text, in the form in which `comments_of` takes it."""
    column = pl.col(name)
    if kind.is_temporal():
        return column.dt.epoch("s").cast(pl.String) if isinstance(kind, pl.Datetime) else column.cast(pl.String)
    if name in _IDS_BASE_10 and kind.is_numeric():
        return pl.concat_str(column.cast(pl.Int64, strict=False).cast(pl.String), pl.lit(".0")).alias(name)
    return column.cast(pl.String)
