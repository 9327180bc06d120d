"""Reads JSON lines: an object a line, with a field that holds the text."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import msgspec
import pyarrow as pa

from threadmill.corpora.addresses import public_uri
from threadmill.corpora.text.config import CorpusConfig
from threadmill.corpora.text.source import Source
from threadmill.corpora.text.tables import DEFAULT_FIELD, Columns, beginning, cleans_html, row_documents
from threadmill.corpora.text.text_blocks import TextBlock, read_head, read_text_blocks
from threadmill.corpora.text.texts import DeadLetter, Texts
from threadmill.errors import InputError

LONGEST_LINE_BYTES = 64 << 20
_HEAD_BYTES, _HEAD_LINES = 1 << 20, 100


def read_json_lines(source: Source, config: CorpusConfig) -> Iterator[Callable[[], Texts]]:
    """The objects, block by block; each is a document.

    Raises:
        InputError: none of the first objects has the field.
    """
    fields = config.fields or (DEFAULT_FIELD,)
    _check_fields(source.uri, fields)
    for block in read_text_blocks(source.uri, longest_bytes=LONGEST_LINE_BYTES):
        yield partial(_texts, block, source, config, fields)


def _check_fields(uri: str, fields: Sequence[str]) -> None:
    """Raises where none of the first lines has a field, but one is an object of others."""
    seen: dict[str, None] = {}
    for line in islice(read_head(uri, _HEAD_BYTES).splitlines(), _HEAD_LINES):
        try:
            seen.update(dict.fromkeys(msgspec.json.decode(line, type=dict[str, msgspec.Raw])))
        except (msgspec.DecodeError, UnicodeDecodeError):
            continue
    missing = [field for field in fields if field not in seen]
    if seen and missing:
        raise InputError(
            f"{public_uri(uri)} has no field {', '.join(missing)}; its fields are {', '.join(seen)}: name one with --field"
        )


def _texts(block: TextBlock, source: Source, config: CorpusConfig, fields: Sequence[str]) -> Texts:
    decoder, names = _decoder(fields)
    columns: list[list[str | None]] = [[] for _ in fields]
    letters: list[DeadLetter] = []
    lines = [(number, line) for number, line in enumerate(block.data.split(b"\n"), block.first_line) if line.strip()]
    for number, line in lines:
        try:
            row = decoder.decode(line)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            letters.append(DeadLetter(number, _reason(error), str(error), beginning(line)))
            continue
        values = [getattr(row, name) for name in names]
        if msgspec.UNSET in values:
            letters.append(DeadLetter(number, "no field", fields[values.index(msgspec.UNSET)], beginning(line)))
            continue
        for column, value in zip(columns, values, strict=True):
            column.append(value or "")
    return row_documents(
        Columns(
            texts=[pa.array(column, pa.large_string()) for column in columns],
            single=[False] * len(fields),
            clean_html=cleans_html(config, "jsonl"),
            rows=len(lines),
            letters=tuple(letters),
            split=source.split,
        )
    )


def _reason(error: Exception) -> str:
    if isinstance(error, msgspec.ValidationError):
        return "not text"
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else "not JSON"


def _decoder(fields: Sequence[str]) -> tuple["msgspec.json.Decoder[Any]", list[str]]:
    """A decoder that looks at these fields only, and the names of their attributes in what it gives."""
    names = [f"field_{index}" for index in range(len(fields))]
    row = msgspec.defstruct(
        "Row",
        [(name, str | None | msgspec.UnsetType, msgspec.UNSET) for name in names],
        rename=dict(zip(names, fields, strict=True)),
    )
    return msgspec.json.Decoder(row), names
