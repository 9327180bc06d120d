"""Exports as CSV (of the public BigQuery tables, of Pushshift's API) to comments, or to dead letters with a reason."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter

import numpy as np
import polars as pl

from threadmill.corpora.addresses import public_uri
from threadmill.corpora.reddit import csv_kernels
from threadmill.corpora.reddit.comments import DeadLetter, Parsed, empty_comments, excerpt
from threadmill.corpora.reddit.csv_kernels import GOOD, START, WRONG_COUNT, find_fields, put_fields, record_ends
from threadmill.corpora.reddit.csv_records import Records, record_blocks
from threadmill.corpora.reddit.dump import MAX_LINE_BYTES
from threadmill.corpora.reddit.rows import RAW, comments_of, missing_columns
from threadmill.corpora.reddit.text_kernels import WIDE, text_column
from threadmill.errors import InputError

_MARK = b"\xef\xbb\xbf"  # the byte order mark, as spreadsheets write it
_REASONS = {
    WRONG_COUNT: "wrong number of fields",
    csv_kernels.MALFORMED_QUOTES: "malformed quotes",
    csv_kernels.NOT_UTF8: "not UTF-8",
    csv_kernels.BLANK: "blank line",
}
_TOO_LONG = ("line too long", f"over {MAX_LINE_BYTES >> 20} MiB; a quote that is not closed makes one record of many")


def csv_pieces(uri: str, pieces: Iterable[bytes], first_row: int, month: str) -> Iterator[Callable[[], Parsed]]:
    """The file in pieces, each to be parsed by calling it, on whatever thread. They count records.

    Args:
        uri: the file's, for messages.
        pieces: its decompressed bytes.
        first_row: added to a record's number (from 1, the header not counted) to give its row's ``source_row``.
        month: where given (YYYY-MM), rows of another month (UTC) are dead letters.

    Raises:
        InputError: it has no header, or one without the columns of comments or of submissions.
        DamagedSourceError: it ends within quotes.
    """
    header: list[str] = []
    row = first_row + 1
    for block in record_blocks(uri, _without_mark(pieces)):
        if not header:
            header, block = _without_header(uri, block)
        if block.count:
            yield partial(_parsed, block, header, row, month)
        row += block.count


def _without_mark(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The pieces less a byte order mark. It must go before records are cut: a quote after it would not open a field."""
    source, beginning = iter(pieces), b""
    for piece in source:
        beginning += piece
        if len(beginning) >= len(_MARK):
            break
    yield beginning.removeprefix(_MARK)
    yield from source


def _without_header(uri: str, block: Records) -> tuple[list[str], Records]:
    data = block.data
    _, end, _ = record_ends(np.frombuffer(data, np.uint8), START, True)
    try:
        (header,) = csv.reader([data[:end].decode().rstrip("\r\n")], strict=True)
    except (csv.Error, UnicodeDecodeError, ValueError) as error:
        raise InputError(f"{public_uri(uri)}: line 1 is no CSV header ({error}); export it again, with a header") from None
    header = [name.strip() for name in header]
    wanted = [name for name in header if name in RAW]
    for name in wanted:
        if wanted.count(name) > 1:
            raise InputError(f"{public_uri(uri)}: line 1, the header, names the column {name} twice; export each column once")
    if missing := missing_columns(header):
        raise InputError(
            f"{public_uri(uri)}: line 1, the header, has no column {' or '.join(missing)} (it has {', '.join(header)[:200]}); "
            "export the table with a header, and with those columns"
        )
    lines = data.count(b"\n", 0, end)
    return header, replace(block, data=data[end:], first_line=block.first_line + lines, count=block.count - 1)


def _parsed(block: Records, header: Sequence[str], first_row: int, month: str) -> Parsed:
    if block.too_long:
        return Parsed(1, empty_comments(), [DeadLetter(block.first_line, *_TOO_LONG, excerpt(block.data))])
    names = [name for name in header if name in RAW]
    fields = np.array([names.index(name) if name in names else -1 for name in header])
    data = np.frombuffer(block.data, np.uint8)
    records, spans = np.empty((block.count, 4), np.int64), np.empty((block.count, len(names), 3), np.int64)
    find_fields(data, fields, records, spans)
    letters: dict[int, DeadLetter] = {}

    def refuse(record: int, reason: str, detail: str) -> None:
        start, end, lines, _ = records[record].tolist()
        letters[record] = DeadLetter(block.first_line + lines, reason, detail, excerpt(block.data[start:end].rstrip(b"\r\n")))

    for record in np.flatnonzero(records[:, 3] != GOOD).tolist():
        fault = int(records[record, 3])
        columns = f"not the {len(header)} of the header" if fault == WRONG_COUNT else ""
        refuse(record, _REASONS[fault], columns)
    for record in np.flatnonzero(records[:, 1] - records[:, 0] > MAX_LINE_BYTES).tolist():
        refuse(record, *_TOO_LONG)
    good = np.arange(block.count)
    if letters:
        good = np.delete(good, list(letters))
    raw = _texts(data, spans[good] if letters else spans, names)
    frame, faults = comments_of(raw, pl.Series(good + first_row, dtype=pl.Int64), month, typed=False)
    for found in faults:
        refuse(int(good[found.row]), found.reason, found.detail)
    return Parsed(block.count, frame, sorted(letters.values(), key=attrgetter("line")))


def _texts(
    data: "np.ndarray[tuple[int], np.dtype[np.uint8]]",
    spans: "np.ndarray[tuple[int, int, int], np.dtype[np.int64]]",
    names: Sequence[str],
) -> pl.DataFrame:
    count = len(spans)
    views, valid = np.empty((len(names), count, 2), np.uint64), np.empty((len(names), count), np.bool_)
    arena = np.empty(len(data) + WIDE, np.uint8)
    used = put_fields(data, spans, views, valid, arena)
    return pl.DataFrame({name: text_column(views[place], valid[place], [arena[:used]]) for place, name in enumerate(names)})
