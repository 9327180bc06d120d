"""Texts that stand in the place of a removed one."""

import polars as pl

from threadmill.conversations.config import ConversationsConfig

_REFERENCE = ("[deleted]", "[removed]")  # those that the reference pipeline knows
_REMOVED_TITLES = ("[deleted by user]", "[removed by moderator]", *_REFERENCE, "[ Removed by Reddit ]")


def tombstone(config: ConversationsConfig) -> pl.Expr:
    """A mark stands for the text that was removed; of all such marks, or the two that the reference pipeline knows."""
    removal = pl.col("removal")
    if not config.all_tombstones:
        return pl.col("body").is_in(_REFERENCE)
    if not config.titles:
        return removal.is_not_null()
    return removal.is_not_null() | ((pl.col("parent_kind") == "none") & pl.col("body").is_in(_REMOVED_TITLES))
