"""Reads JSON lines: an object a line, with a field that holds the text."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any

import msgspec

from threadmill.corpora.addresses import public_uri
from threadmill.corpora.source import Source
from threadmill.corpora.text.config import CorpusConfig
from threadmill.corpora.text.tables import DEFAULT_FIELD, Columns, beginning, cleans_html, row_documents
from threadmill.corpora.text.text_blocks import TextBlock, read_head, read_text_blocks
from threadmill.corpora.text.texts import DeadLetter, Texts
from threadmill.datasets.arrow_text import large_strings
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
    decoder = _decoder(fields)
    lines = [(number, line) for number, line in enumerate(block.data.split(b"\n"), block.first_line) if line.strip()]
    letters: list[DeadLetter] = []
    try:
        rows = [decoder.decode(line) for _, line in lines]
    except (msgspec.DecodeError, UnicodeDecodeError):
        rows = _rows(decoder, lines, letters)
    columns = [[getattr(row, f"field_{index}") for row in rows] for index in range(len(fields))]
    return row_documents(
        Columns(
            texts=[large_strings(column) for column in columns],
            single=[False] * len(fields),
            clean_html=cleans_html(config, "jsonl"),
            rows=len(lines),
            letters=tuple(letters),
            split=source.split,
        )
    )


def _rows(decoder: "msgspec.json.Decoder[Any]", lines: list[tuple[int, bytes]], letters: list[DeadLetter]) -> list[Any]:
    """The objects of the lines that hold one with text; a dead letter for each other."""
    rows = []
    for number, line in lines:
        try:
            rows.append(decoder.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            letters.append(DeadLetter(number, _reason(error), str(error), beginning(line)))
    return rows


def _reason(error: Exception) -> str:
    if isinstance(error, msgspec.ValidationError):
        return "no field" if "required field" in str(error) else "not text"
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else "not JSON"


def _decoder(fields: Sequence[str]) -> "msgspec.json.Decoder[Any]":
    """A decoder that looks at these fields only; null is no text, and no fault."""
    names = [f"field_{index}" for index in range(len(fields))]
    row = msgspec.defstruct("Row", [(name, str | None) for name in names], rename=dict(zip(names, fields, strict=True)))
    return msgspec.json.Decoder(row)
