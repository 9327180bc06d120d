"""Lines of a dump to rows of the table of comments, or to dead letters with a reason."""

import re
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import orjson
import polars as pl

from threadmill.corpora.reddit.dump import Block
from threadmill.datasets.manifest import Field

_RAW = {
    "id": pl.String,
    "parent_id": pl.String,
    "link_id": pl.String,
    "subreddit": pl.String,
    "author": pl.String,
    "body": pl.String,
    "score": pl.Int64,
    "created_utc": pl.String,  # int, string and float occur, by the month
    "is_submitter": pl.Boolean,
    "distinguished": pl.String,
}
_COLUMNS = (
    "id",
    "parent_id",
    "parent_kind",
    "thread_id",
    "subreddit",
    "author",
    "body",
    "score",
    "created_utc",
    "is_submitter",
    "distinguished",
    "removal",
    "month",
    "source_row",
)
_TYPES = {"score": "int64", "created_utc": "timestamp[us, UTC]", "is_submitter": "bool", "source_row": "int64"}
SCHEMA = tuple(Field(name, _TYPES.get(name, "string")) for name in _COLUMNS)

# What stands in the place of a removed body, and by whom it was removed.
TOMBSTONES = {
    "[deleted]": "author",
    "[removed]": "moderator",
    "[ Removed by Reddit ]": "reddit",
    "[ Removed by reddit in response to a copyright notice. ]": "copyright",
}

_EARLIEST = 1_119_484_800  # 2005-06-23, the day Reddit opened
_LATEST = 4_102_444_800  # 2100-01-01
_DETAILS = {"malformed id": "id", "malformed link_id": "link_id", "absurd time": "created_utc"}  # which field shows the fault
# A surrogate half without its other half: JSON can write it, UTF-8 cannot. (After an escaped backslash it is plain text:
# the exact reading finds that out.)
_LONE_SURROGATE = re.compile(
    rb"\\u[dD](?:[89abAB][0-9a-fA-F]{2}(?!\\u[dD][c-fC-F])|(?<!\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD])[c-fC-F])"
)


@dataclass(frozen=True)
class DeadLetter:
    """A line that could not be used: its number in the file, the reason, and its first characters."""

    line: int
    reason: str
    detail: str
    text: str


@dataclass(frozen=True)
class Parsed:
    """What a piece of a source gave.

    Attributes:
        lines: lines read, or records of CSV, or rows of Parquet: the comments and the dead letters together.
        comments: in the order of `SCHEMA`, ``created_utc`` as microseconds, UTC.
        letters: what could not be used, in order.
        partial: on the last piece, why the source ended early, where what was whole is kept; else empty.
    """

    lines: int
    comments: pl.DataFrame
    letters: list[DeadLetter]
    partial: str = ""


def parse_block(block: Block, source_row: int, month: str = "") -> tuple[pl.DataFrame, list[DeadLetter]]:
    """The comments of a block of lines, in order, and the lines that hold none.

    A block without fault is parsed as a whole; one with any is taken apart line by line, with the same result for
    each good line.

    Args:
        source_row: added to a line's number (from 1) to give its row's ``source_row``.
        month: where given (YYYY-MM), comments of another month (UTC) are dead letters.

    Returns:
        The rows in the schema of comments (DESIGN.md), ``created_utc`` as microseconds, UTC; and the dead letters.
    """
    if block.too_long:
        letter = DeadLetter(block.first_line, "line too long", "over 16 MiB", _excerpt(block.data))
        return _normalised(pl.DataFrame(schema=_RAW), pl.Series([], dtype=pl.Int64)), [letter]
    frame = _parse_whole(block, month)
    if frame is not None:
        numbers = pl.int_range(block.first_line, block.first_line + block.lines, eager=True)
        return _normalised(frame, numbers + source_row), []
    return _parse_lines(block, source_row, month)


def _parse_whole(block: Block, month: str) -> pl.DataFrame | None:
    """All lines at once, or None where any of them needs a closer look."""
    if _LONE_SURROGATE.search(block.data):
        return None  # polars reads one as NUL
    try:
        frame = pl.read_ndjson(block.data, schema=_RAW)
    except pl.exceptions.ComputeError:
        return None
    if frame.height != block.lines:  # blank lines
        return None
    return None if frame.select(pl.any_horizontal(*_faults(month).values()).any()).item() else frame


def _faults(month: str) -> dict[str, pl.Expr]:
    """By its name, each thing that can be wrong with a row, the most telling first."""
    seconds = _seconds()
    missing = {f"no {name}": pl.col(name).is_null() for name in ("id", "link_id", "created_utc", "body")}
    return {
        **missing,
        "malformed id": ~pl.col("id").str.contains(r"^[0-9a-z]{1,13}$"),
        "malformed link_id": ~pl.col("link_id").str.contains(r"^(t[0-9]_)?[0-9a-z]{1,13}$"),
        "absurd time": ~seconds.is_between(_EARLIEST, _LATEST, closed="left").fill_null(False),
        **({"wrong month": (_month_of(seconds) != month).fill_null(False)} if month else {}),
    }


def _month_of(seconds: pl.Expr) -> pl.Expr:
    return pl.from_epoch(seconds).dt.strftime("%Y-%m")


def _seconds() -> pl.Expr:
    text = pl.col("created_utc").str.strip_chars()
    whole = text.cast(pl.Int64, strict=False)
    rounded = text.cast(pl.Float64, strict=False).floor().cast(pl.Int64, strict=False)
    return pl.when(whole.is_not_null()).then(whole).otherwise(rounded)


def _normalised(frame: pl.DataFrame, source_rows: pl.Series) -> pl.DataFrame:
    parent = pl.coalesce("parent_id", "link_id")
    created = (_seconds() * 1_000_000).cast(pl.Datetime("us", "UTC"))
    return frame.with_columns(source_rows.alias("source_row")).select(
        "id",
        parent.str.replace(r"^t[0-9]_", "").alias("parent_id"),
        pl.when(parent.str.starts_with("t1_")).then(pl.lit("comment")).otherwise(pl.lit("submission")).alias("parent_kind"),
        pl.col("link_id").str.replace(r"^t[0-9]_", "").alias("thread_id"),
        "subreddit",
        "author",
        "body",
        "score",
        created.alias("created_utc"),
        "is_submitter",
        "distinguished",
        pl.col("body").replace_strict(TOMBSTONES, default=None, return_dtype=pl.String).alias("removal"),
        _month(frame, created).alias("month"),
        "source_row",
    )


def _month(frame: pl.DataFrame, created: pl.Expr) -> pl.Expr:
    """YYYY-MM of each comment: formatted once where all are of one month, as a dump's blocks mostly are."""
    first, last = frame.select(
        created.min().dt.strftime("%Y-%m").alias("first"), created.max().dt.strftime("%Y-%m").alias("last")
    ).row(0)
    return pl.lit(first) if first == last and first is not None else created.dt.strftime("%Y-%m")


def _parse_lines(block: Block, source_row: int, month: str) -> tuple[pl.DataFrame, list[DeadLetter]]:
    lines: list[tuple[int, bytes]] = []
    flat: list[bytes] = []
    letters: list[DeadLetter] = []
    for number, line in enumerate(block.data.split(b"\n")[: block.lines], block.first_line):
        try:
            flat.append(_flat(line))
            lines.append((number, line))
        except _UnusableLineError as error:
            letters.append(DeadLetter(number, error.reason, error.detail, _excerpt(line)))
    frame = pl.read_ndjson(b"\n".join(flat), schema=_RAW) if flat else pl.DataFrame(schema=_RAW)
    reasons = frame.select(pl.coalesce(pl.when(fault).then(pl.lit(name)) for name, fault in _faults(month).items())).to_series()
    for row in reasons.is_not_null().arg_true():
        number, line = lines[row]
        letters.append(DeadLetter(number, reasons[row], _detail(frame[row], reasons[row]), _excerpt(line)))
    numbers = pl.Series([number + source_row for number, _ in lines], dtype=pl.Int64)
    good = reasons.is_null()
    return _normalised(frame.filter(good), numbers.filter(good)), sorted(letters, key=attrgetter("line"))


def _detail(row: pl.DataFrame, reason: str) -> str:
    if reason == "wrong month":
        return str(row.select(_month_of(_seconds())).item())
    return str(row[0, _DETAILS[reason]])[:60] if reason in _DETAILS else ""


class _UnusableLineError(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def _flat(line: bytes) -> bytes:
    """The line's fields of interest as JSON that the whole-block parser takes.

    Raises:
        _UnusableLineError: it is blank, or no JSON object.
    """
    value = _json_object(line)
    value["score"] = _integer(value.get("score"))
    if not isinstance(value.get("is_submitter"), bool):
        value["is_submitter"] = None
    return orjson.dumps({name: value.get(name) for name in _RAW})


def _json_object(line: bytes) -> dict[str, Any]:
    if not line.strip():
        raise _UnusableLineError("blank line", "")
    try:
        value = orjson.loads(line)
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


def _integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    try:
        number = value if isinstance(value, int) else int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None
    return number if -(1 << 63) <= number < 1 << 63 else None


def _excerpt(line: bytes) -> str:
    return line[:200].decode(errors="replace")
