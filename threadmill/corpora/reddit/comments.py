"""The table of comments: its columns, what stands in place of removed texts, and what a piece of a source gives."""

from dataclasses import dataclass

import polars as pl

from threadmill.datasets.manifest import Field

_TYPES = {
    "id": pl.String(),
    "parent_id": pl.String(),
    "parent_kind": pl.String(),
    "thread_id": pl.String(),
    "subreddit": pl.String(),
    "author": pl.String(),
    "body": pl.String(),
    "score": pl.Int64(),
    "created_utc": pl.Datetime("us", "UTC"),
    "is_submitter": pl.Boolean(),
    "distinguished": pl.String(),
    "removal": pl.String(),
    "month": pl.String(),
    "source_row": pl.Int64(),
}
_NAMES = {pl.Int64(): "int64", pl.Datetime("us", "UTC"): "timestamp[us, UTC]", pl.Boolean(): "bool"}
SCHEMA = tuple(Field(name, _NAMES.get(kind, "string")) for name, kind in _TYPES.items())

# What stands in the place of a removed body or title, and by whom it was removed.
TOMBSTONES = {
    "[deleted]": "author",
    "[removed]": "moderator",
    "[ Removed by Reddit ]": "reddit",
    "[ Removed by reddit in response to a copyright notice. ]": "copyright",
    "[deleted by user]": "author",  # titles only
}

# What `_meta.removal_type` of newer dumps says, where the text is gone: whether "[deleted]" or "[removed]" was the author's
# or a moderator's doing. A text that is there is kept, whatever `_meta` says of later: `removal` stays null. Other values
# ("removed by reddit" under a plain "[removed]") change nothing, so that `removal` is "author" or "moderator" exactly where
# the text is one of those two.
REMOVERS = {
    "deleted": "author",
    "author": "author",
    "removed": "moderator",
    "moderator": "moderator",
    "automod_filtered": "moderator",
}

EARLIEST = 1_119_484_800  # 2005-06-23, the day Reddit opened, in seconds since 1970
LATEST = 4_102_444_800  # 2100-01-01


def empty_comments() -> pl.DataFrame:
    """No comments, in the columns and types of the table."""
    return pl.DataFrame(schema=_TYPES)


@dataclass(frozen=True)
class DeadLetter:
    """What could not be used: its line (or row of Parquet) from 1, the reason, what shows it, and its first characters."""

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


def excerpt(content: bytes) -> str:
    """The first characters of what could not be used."""
    return content[:200].decode(errors="replace")
