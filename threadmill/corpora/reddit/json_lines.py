"""Lines of a dump (newline-delimited JSON) to comments, or to dead letters with a reason."""

import re
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import polars as pl

from threadmill.corpora.reddit.comments import DeadLetter, empty_comments, excerpt
from threadmill.corpora.reddit.dump import Block
from threadmill.corpora.reddit.json_kernels import FIELDS, OUT_BODY, TEXTS, read_lines
from threadmill.corpora.reddit.rows import RAW, comments_of
from threadmill.corpora.reddit.text_kernels import WIDE, text_column, value_column
from threadmill.months import month_bounds

_MARK = b"\xef\xbb\xbf"  # the byte order mark, which a reader may pass over (RFC 8259, section 8.1)
_MOST_NAMES = 200  # of an object that are remembered
_ALL_TIMES = (0, 1 << 60)
# A surrogate half without its other half: JSON can write it, UTF-8 cannot.
_LONE_SURROGATE = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD])[c-fC-F])"
)


def parse_block(block: Block, source_row: int, month: str = "") -> tuple[pl.DataFrame, list[DeadLetter]]:
    """The comments and submissions of a block of lines, in order, and the lines that hold none.

    Compiled code reads the lines in ordinary form; each other line is read by itself, with the same result wherever both
    take it. A line with a title and no body is a submission.

    Args:
        source_row: added to a line's number (from 1) to give its row's ``source_row``.
        month: where given (YYYY-MM), comments of another month (UTC) are dead letters.

    Returns:
        The rows in the schema of comments (DESIGN.md), ``created_utc`` as microseconds, UTC; and the dead letters.
    """
    if block.too_long:
        return empty_comments(), [DeadLetter(block.first_line, "line too long", "over 16 MiB", excerpt(block.data))]
    frame, others = _ordinary(block, source_row, month_bounds(month) if month else _ALL_TIMES)
    if not len(others):
        return frame, []
    lines = [(block.first_line + number, block.data[start:end]) for number, start, end in others.tolist()]
    more, letters = parse_lines(lines, source_row, month)
    return (pl.concat([frame, more]).sort("source_row") if more.height else frame), letters


def _ordinary(block: Block, source_row: int, month: tuple[int, int]) -> tuple[pl.DataFrame, npt.NDArray[np.int64]]:
    """The rows of the lines in ordinary form; and of each other line its number from 0, its beginning and its end."""
    data = np.frombuffer(block.data, np.uint8)
    texts = np.empty((len(TEXTS), block.lines, 2), np.uint64)
    valid = np.ones((len(TEXTS) + 2, block.lines), np.bool_)
    values = np.empty((4, block.lines), np.int64)
    arena, bodies = np.empty(len(data) + WIDE, np.uint8), np.empty(len(data) + WIDE, np.uint8)
    others = np.empty((block.lines, 3), np.int64)
    spans, names = np.empty((FIELDS, 3), np.int64), np.empty((_MOST_NAMES, 3), np.int64)
    rows, left, used, filled = read_lines(data, month, texts, valid, values, arena, bodies, others, spans, names)
    columns = {
        name: text_column(texts[place, :rows], valid[place, :rows], [bodies[:filled] if place == OUT_BODY else arena[:used]])
        for place, name in enumerate(TEXTS)
    }
    columns["score"] = value_column(values[0, :rows], valid[-2, :rows])
    columns["created_utc"] = pl.Series(values[1, :rows]).cast(pl.Datetime("us", "UTC"))
    columns["is_submitter"] = value_column(values[2, :rows].astype(np.bool_), valid[-1, :rows])
    columns["source_row"] = pl.Series(values[3, :rows] + (block.first_line + source_row))
    return pl.DataFrame(columns).select(empty_comments().columns), others[:left]


def parse_lines(lines: list[tuple[int, bytes]], source_row: int, month: str) -> tuple[pl.DataFrame, list[DeadLetter]]:
    """As `parse_block`, of lines with their numbers, each read by itself: slow and exact."""
    read: list[tuple[int, bytes]] = []
    texts: list[tuple[str | None, ...]] = []
    letters: list[DeadLetter] = []
    for number, line in lines:
        try:
            texts.append(_texts(_json_object(line)))
            read.append((number, line))
        except _UnusableLineError as error:
            letters.append(DeadLetter(number, error.reason, error.detail, excerpt(line)))
    raw = pl.DataFrame(texts, schema=dict.fromkeys(RAW, pl.String), orient="row")
    numbers = pl.Series([number + source_row for number, _ in read], dtype=pl.Int64)
    frame, faults = comments_of(raw, numbers, month)
    letters += [DeadLetter(read[fault.row][0], fault.reason, fault.detail, excerpt(read[fault.row][1])) for fault in faults]
    return frame, sorted(letters, key=attrgetter("line"))


class _UnusableLineError(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def _json_object(line: bytes) -> dict[str, Any]:
    if not line.strip():
        raise _UnusableLineError("blank line", "")
    try:
        value = orjson.loads(line.removeprefix(_MARK))
    except orjson.JSONDecodeError as error:
        raise _UnusableLineError(_parse_fault(line), str(error)) from None
    if not isinstance(value, dict):
        raise _UnusableLineError("not a JSON object", type(value).__name__)
    return value


def _parse_fault(line: bytes) -> str:
    try:
        line.decode()
    except UnicodeDecodeError:
        return "not UTF-8"
    return "lone surrogate" if _LONE_SURROGATE.search(line) else "malformed JSON"


def _texts(value: dict[str, Any]) -> tuple[str | None, ...]:
    """The fields of `RAW` as texts, whatever their types."""
    meta = value.get("_meta")
    removal_type = meta.get("removal_type") if isinstance(meta, dict) else None
    return tuple(_text(name, removal_type if name == "removal_type" else value.get(name)) for name in RAW)


def _text(name: str, value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if name in ("parent_id", "link_id") and isinstance(value, int) and not isinstance(value, bool):
        return f"{value}.0"  # in base 10: see rows.py
    if name in ("id", "parent_id", "link_id", "created_utc"):  # an odd type there is a fault, and shown
        return str(value)
    if name == "is_submitter" and isinstance(value, bool):
        return str(value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
