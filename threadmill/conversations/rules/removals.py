"""Texts that stand in the place of a removed one."""

import polars as pl

from threadmill.conversations.config import ConversationsConfig


def tombstone(config: ConversationsConfig) -> pl.Expr:
    """The body was removed: by anyone, or, as in the reference pipeline, by the author or a moderator only."""
    removal = pl.col("removal")
    return removal.is_not_null() if config.all_tombstones else removal.is_in(["author", "moderator"])
