"""Frames of comments for tests of the rules."""

from datetime import UTC, datetime
from typing import Any

import polars as pl

from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.rules import fault_names, prepare

SCHEMA: dict[str, Any] = {
    "thread_id": pl.String,
    "id": pl.String,
    "parent_id": pl.String,
    "parent_kind": pl.String,
    "subreddit": pl.String,
    "author": pl.String,
    "body": pl.String,
    "score": pl.Int64,
    "created_utc": pl.Datetime("us", "UTC"),
    "removal": pl.String,
}


def comments(*rows: dict[str, Any]) -> pl.DataFrame:
    """A comment for each of ``rows``, which say how it differs from an ordinary one."""
    ordinary = {
        "thread_id": "t",
        "parent_id": "t",
        "parent_kind": "submission",
        "subreddit": "talk",
        "author": "ann",
        "body": "an ordinary comment",
        "score": 1,
        "created_utc": datetime(2006, 1, 1, tzinfo=UTC),
        "removal": None,
    }
    return pl.DataFrame([{**ordinary, "id": f"c{number}", **row} for number, row in enumerate(rows)], schema=SCHEMA)


def broken_rules(frame: pl.DataFrame, **settings: Any) -> list[list[str]]:
    """The names of the rules that each comment breaks."""
    config = ConversationsConfig(**{"max_length": 100_000, "min_length": 0, **settings})
    names = fault_names(config)
    return [[name for bit, name in enumerate(names) if mask >> bit & 1] for mask in prepare(frame, config)["faults"]]


def breaks(rule: str, body: str, **settings: Any) -> bool:
    """True where a comment of that body breaks the rule, and no other."""
    (broken,) = broken_rules(comments({"body": body}), **settings)
    assert broken in ([], [rule])
    return bool(broken)
