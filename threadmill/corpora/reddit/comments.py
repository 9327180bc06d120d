"""Lines of a dump to rows of the table of comments, or to dead letters with a reason."""

import re
from dataclasses import dataclass
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


def parse_block(block: Block, source_row: int) -> tuple[pl.DataFrame, list[DeadLetter]]:
    """The comments of a block of lines, in order, and the lines that hold none.

    A block without fault is parsed as a whole; one with any is taken apart line by line, with the same result for
    each good line.

    Args:
        source_row: added to a line's number (from 1) to give its row's ``source_row``.

    Returns:
        The rows in the schema of comments (DESIGN.md), ``created_utc`` as microseconds, UTC; and the dead letters.
    """
    if block.too_long:
        letter = DeadLetter(block.first_line, "line too long", "over 16 MiB", _excerpt(block.data))
        return _normalised(pl.DataFrame(schema=_RAW), pl.Series([], dtype=pl.Int64)), [letter]
    frame = _parse_whole(block)
    if frame is not None:
        numbers = pl.int_range(block.first_line, block.first_line + block.lines, eager=True)
        return _normalised(frame, numbers + source_row), []
    return _parse_lines(block, source_row)


def _parse_whole(block: Block) -> pl.DataFrame | None:
    """All lines at once, or None where any of them needs a closer look."""
    if _LONE_SURROGATE.search(block.data):
        return None  # polars reads one as NUL
    try:
        frame = pl.read_ndjson(block.data, schema=_RAW)
    except pl.exceptions.ComputeError:
        return None
    if frame.height != block.lines:  # blank lines
        return None
    usable = frame.select(_usable().all()).item()
    return frame if usable else None


def _usable() -> pl.Expr:
    seconds = _seconds()
    return (
        pl.col("id").str.contains(r"^[0-9a-z]{1,13}$")
        & pl.col("link_id").str.contains(r"^(t3_)?[0-9a-z]{1,13}$")
        & pl.col("body").is_not_null()
        & (seconds >= _EARLIEST)
        & (seconds < _LATEST)
    ).fill_null(False)


def _seconds() -> pl.Expr:
    text = pl.col("created_utc")
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
        created.dt.strftime("%Y-%m").alias("month"),
        "source_row",
    )


def _parse_lines(block: Block, source_row: int) -> tuple[pl.DataFrame, list[DeadLetter]]:
    good: list[bytes] = []
    numbers: list[int] = []
    letters: list[DeadLetter] = []
    for offset, line in enumerate(block.data.split(b"\n")[: block.lines]):
        number = block.first_line + offset
        if not line.strip():
            letters.append(DeadLetter(number, "blank line", "", ""))
            continue
        try:
            good.append(_repaired(line))
            numbers.append(number + source_row)
        except _UnusableLineError as error:
            letters.append(DeadLetter(number, error.reason, error.detail, _excerpt(line)))
    frame = pl.read_ndjson(b"\n".join(good), schema=_RAW) if good else pl.DataFrame(schema=_RAW)
    return _normalised(frame, pl.Series(numbers, dtype=pl.Int64)), letters


class _UnusableLineError(Exception):
    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


def _repaired(line: bytes) -> bytes:
    """The line's fields of interest as JSON that the whole-block parser takes.

    Raises:
        _UnusableLineError: it holds no comment.
    """
    value = _json_object(line)
    for name in ("id", "link_id", "created_utc"):
        if value.get(name) is None:
            raise _UnusableLineError(f"no {name}", "")
    if not isinstance(value.get("body"), str):
        raise _UnusableLineError("no body", f"body is {type(value.get('body')).__name__}")
    for name in ("id", "link_id"):
        if not re.fullmatch(r"(t[0-9]_)?[0-9a-z]{1,13}", str(value[name])) or (name == "id" and "_" in str(value[name])):
            raise _UnusableLineError(f"malformed {name}", str(value[name])[:40])
    value["created_utc"] = str(_checked_time(value["created_utc"]))
    value["score"] = _integer(value.get("score"))
    if not isinstance(value.get("is_submitter"), bool):
        value["is_submitter"] = None
    return orjson.dumps({name: _text(value.get(name)) for name in _RAW})


def _json_object(line: bytes) -> dict[str, Any]:
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


def _checked_time(value: Any) -> int:
    try:
        seconds = int(float(value)) if not isinstance(value, bool) else -1
    except (TypeError, ValueError, OverflowError):
        seconds = -1
    if not _EARLIEST <= seconds < _LATEST:
        raise _UnusableLineError("absurd time", f"created_utc is {value!r}"[:60])
    return seconds


def _integer(value: Any) -> int | None:
    try:
        number = int(float(value)) if not isinstance(value, bool) else None
    except (TypeError, ValueError, OverflowError):
        return None
    return number if number is not None and abs(number) < 1 << 62 else None


def _text(value: Any) -> Any:
    return orjson.dumps(value).decode() if isinstance(value, dict | list) else value


def _excerpt(line: bytes) -> str:
    return line[:200].decode(errors="replace")
