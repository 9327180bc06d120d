"""Lengths of comments and of their words."""

import polars as pl

from threadmill.conversations.config import ConversationsConfig


def too_long(config: ConversationsConfig) -> pl.Expr:
    """More characters than max_length."""
    return pl.col("body").str.len_chars() > config.max_length


def too_short(config: ConversationsConfig) -> pl.Expr:
    """Fewer characters than min_length."""
    return pl.col("body").str.len_chars() < config.min_length
