"""Programs among the authors."""

import polars as pl

from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.rule_sources import names_of

# A name that ends in Bot or BOT after a small letter or a digit, or in bot apart, or begins so: GifReversingBot, haiku_bot2,
# Bot-Scott. Not those that end in a plain "bot", which surnames and words do (Talbot, turbot).
_BOT_NAME = r"[a-z0-9](?:Bot|BOT)[0-9]*$|[_-](?i:bot)[0-9]*$|^(?i:bot)[_-]"


def bot(config: ConversationsConfig) -> pl.Expr | None:
    """A known bot, an author with a bot's name, or one the user lists."""
    author = pl.col("author")
    listed = names_of(f"{config.bots},@known-bots" if config.drop_bots else config.bots, config.rule_digests)
    if not listed:
        return None
    known = author.str.to_lowercase().is_in(sorted(listed))
    return known | author.str.contains(_BOT_NAME) if config.drop_bots else known
