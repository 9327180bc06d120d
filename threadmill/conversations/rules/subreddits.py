"""Subreddits that are wanted, and those that are not."""

import polars as pl

from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.rule_sources import names_of


def unwanted(config: ConversationsConfig) -> pl.Expr | None:
    """None of the only ones wanted, or one of those to skip; letter case does not count. Where it is null, it is not wanted."""
    name = pl.col("subreddit").str.to_lowercase()
    only, skip = (names_of(names, config.rule_digests) for names in (config.subreddits, config.skip_subreddits))
    rules = []
    if only:
        rules.append(~name.is_in(sorted(only)).fill_null(False))
    if skip:
        rules.append(name.is_in(sorted(skip)))
    return pl.any_horizontal(rules) if rules else None
