"""Reads Parquet files, and the Arrow files of datasets that Hugging Face's library saved: a column of each holds the text."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial

import numpy as np
import pyarrow as pa

from threadmill.corpora.addresses import public_uri
from threadmill.corpora.reddit.sources import readable
from threadmill.corpora.source import Source
from threadmill.corpora.text.config import CorpusConfig
from threadmill.corpora.text.tables import DEFAULT_FIELD, Columns, beginning, cleans_html, row_documents, wanted_fields
from threadmill.corpora.text.texts import DeadLetter, Texts
from threadmill.datasets import storage
from threadmill.datasets.arrow_text import large_strings
from threadmill.errors import InputError

_BATCH_ROWS = 4096


def read_parquet(source: Source, config: CorpusConfig) -> Iterator[Callable[[], Texts]]:
    """The rows of a Parquet file, batch by batch; a row is a document.

    Raises:
        InputError: no Parquet, or no such column of text.
    """
    import pyarrow.parquet as pq

    with ExitStack() as stack:
        try:
            file = stack.enter_context(pq.ParquetFile(stack.enter_context(storage.open_read(readable(source.uri)))))
            fields = _text_fields(source, config, file.schema_arrow)
            yield from _batches(source, config, fields, file.iter_batches(_BATCH_ROWS, columns=list(fields)))
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(
                f"{public_uri(source.uri)} is no whole Parquet file ({_first_line(error)}); copy it again"
            ) from error


def read_arrow(source: Source, config: CorpusConfig) -> Iterator[Callable[[], Texts]]:
    """The rows of an Arrow file (the format of streams), batch by batch; a row is a document.

    Raises:
        InputError: no Arrow stream, or no such column of text.
    """
    with ExitStack() as stack:
        try:
            reader = stack.enter_context(pa.ipc.open_stream(stack.enter_context(storage.open_read(source.uri))))
            fields = _text_fields(source, config, reader.schema)
            yield from _batches(source, config, fields, reader)
        except (pa.ArrowInvalid, OSError) as error:
            raise InputError(f"{source.uri} is no whole Arrow file ({_first_line(error)}); copy the dataset again") from error


def _text_fields(source: Source, config: CorpusConfig, schema: pa.Schema) -> tuple[str, ...]:
    fields = wanted_fields(config, schema.names, DEFAULT_FIELD, public_uri(source.uri))
    for name in fields:
        kind = schema.field(name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        if not (pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)):
            texts = [field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)]
            raise InputError(
                f"{public_uri(source.uri)}: the field {name} is of type {kind}, not text; name another with --field "
                f"({', '.join(texts) or 'there is none'})"
            )
    return fields


def _batches(
    source: Source, config: CorpusConfig, fields: Sequence[str], batches: Iterator[pa.RecordBatch]
) -> Iterator[Callable[[], Texts]]:
    row = 1
    for batch in batches:
        for start in range(0, len(batch), _BATCH_ROWS):
            piece = batch.slice(start, _BATCH_ROWS)
            yield partial(_texts, [piece.column(name) for name in fields], row, source, config)
            row += len(piece)


def _texts(columns: Sequence[pa.Array], first_row: int, source: Source, config: CorpusConfig) -> Texts:
    binary = [_decoded(column).cast(pa.large_binary()) for column in columns]
    wrong = np.zeros(len(binary[0]), np.bool_)
    letters: tuple[DeadLetter, ...] = ()
    try:
        for column in binary:
            column.cast(pa.large_string())  # checks that it is UTF-8
    except pa.ArrowInvalid:
        for column in binary:
            wrong |= [_is_no_text(value) for value in column.to_pylist()]
        places = np.flatnonzero(wrong)
        shown = [beginning(binary[0][int(place)].as_py() or b"") for place in places]
        letters = tuple(
            DeadLetter(first_row + int(place), "not UTF-8", "", text) for place, text in zip(places, shown, strict=True)
        )
        binary = [column.filter(pa.array(~wrong)) for column in binary]
    return row_documents(
        Columns(
            texts=[large_strings(column.cast(pa.large_string())) for column in binary],
            single=[False] * len(binary),
            clean_html=cleans_html(config, source.format),
            rows=len(wrong),
            letters=letters,
            split=source.split,
        )
    )


def _decoded(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _is_no_text(value: bytes | None) -> bool:
    try:
        (value or b"").decode()
    except UnicodeDecodeError:
        return True
    return False


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
