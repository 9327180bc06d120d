"""Reads and writes the file of a takedown ledger: CSV, JSON lines or Parquet."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from threadmill.datasets import storage
from threadmill.errors import InputError

_COLUMNS = ("kind", "value")
_JSON_LINES = (".jsonl", ".ndjson")


@dataclass(frozen=True)
class Entry:
    """One opt-out as it is written: its kind, "id" or "author", and its value."""

    kind: str
    value: str


@dataclass(frozen=True)
class Place:
    """Where an entry stands, for errors."""

    uri: str
    number: int
    unit: str = "line"

    def __str__(self) -> str:
        return f"{self.uri}, {self.unit} {self.number}"


def read_entries(uri: str) -> Iterator[tuple[Place, Entry]]:
    """The entries of a ledger's file, with their places; see `Ledger.load` for the columns.

    Raises:
        InputError: no such file, one of another format, or a row without the columns.
    """
    try:
        content = storage.read_bytes(uri)
    except (FileNotFoundError, IsADirectoryError):
        raise InputError(f"the takedown ledger {uri} is no file; name a .csv, .jsonl or .parquet file") from None
    suffix = storage.name_of(uri).lower()
    if suffix.endswith(".csv"):
        yield from _csv_entries(content, uri)
    elif suffix.endswith(_JSON_LINES):
        yield from _json_entries(content, uri)
    elif suffix.endswith(".parquet"):
        yield from _parquet_entries(content, uri)
    else:
        raise InputError(f"the takedown ledger {uri} is of no known format; write it as .csv, .jsonl or .parquet")


def write_csv(uri: str, entries: Iterable[tuple[str, str]]) -> None:
    """Writes (kind, value) pairs as a ledger, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_COLUMNS)
    writer.writerows(entries)
    storage.write_bytes(uri, text.getvalue().encode())


def _text(content: bytes, uri: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{Place(uri, line)}: it is not UTF-8; save the ledger as UTF-8") from None


def _csv_entries(content: bytes, uri: str) -> Iterator[tuple[Place, Entry]]:
    reader = csv.DictReader(io.StringIO(_text(content, uri), newline=""))
    try:
        _require_columns(reader.fieldnames or (), uri)
        for row in reader:
            yield _placed(row, Place(uri, reader.line_num))
    except csv.Error as error:
        raise InputError(f"{Place(uri, reader.line_num)}: it is no line of CSV ({error})") from None


def _json_entries(content: bytes, uri: str) -> Iterator[tuple[Place, Entry]]:
    for number, line in enumerate(_text(content, uri).split("\n"), 1):
        if not line.strip():
            continue
        place = Place(uri, number)
        try:
            row = orjson.loads(line)
        except orjson.JSONDecodeError:
            row = None
        if not isinstance(row, dict):
            raise InputError(f'{place}: it is no JSON object; write {{"kind": "id", "value": "t1_..."}}')
        yield _placed(row, place)


def _parquet_entries(content: bytes, uri: str) -> Iterator[tuple[Place, Entry]]:
    try:
        table = pq.read_table(io.BytesIO(content))
    except pa.ArrowException as error:
        raise InputError(f"{uri} is no Parquet file ({error}); write it again") from None
    _require_columns(table.column_names, uri)
    for number, row in enumerate(table.select(_COLUMNS).to_pylist(), 1):
        yield _placed(row, Place(uri, number, "row"))


def _require_columns(names: Iterable[str], uri: str) -> None:
    missing = sorted(set(_COLUMNS) - set(names))
    if missing:
        raise InputError(f"{uri} has no column {' and '.join(missing)}; a ledger has the columns kind and value")


def _placed(row: Mapping[str, Any], place: Place) -> tuple[Place, Entry]:
    kind, value = row.get("kind"), row.get("value")
    if not isinstance(kind, str) or not isinstance(value, str):
        raise InputError(f"{place}: it has no kind and value, both text; write id,t1_... or author,SHA-256")
    return place, Entry(kind.strip(), value.strip())
