"""Words and phrases that no turn may hold."""

import re

import polars as pl

from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.rule_sources import lines_of
from threadmill.errors import ConfigError


def blocked(config: ConversationsConfig) -> pl.Expr | None:
    """A word or phrase of the user's file, as whole words, in any letter case.

    Raises:
        ConfigError: the file is missing or lists nothing.
    """
    if not config.blocklist:
        return None
    phrases = sorted({phrase.lower() for phrase in lines_of(config.blocklist, config.rule_digests)})
    if not phrases:
        raise ConfigError(f"{config.blocklist} lists no words; write one word or phrase a line, or leave blocklist empty")
    whole = "|".join(_whole(phrase) for phrase in phrases)
    return pl.col("body").map_batches(lambda body: _holds(body, phrases, f"(?i){whole}"), return_dtype=pl.Boolean)


def _whole(phrase: str) -> str:
    start = r"\b" if phrase[0].isalnum() else ""
    end = r"\b" if phrase[-1].isalnum() else ""
    return start + re.sub(r"(?:\\?\s)+", r"\\s+", re.escape(phrase)) + end


def _holds(body: pl.Series, phrases: list[str], pattern: str) -> pl.Series:
    """Only bodies that hold the first word of a phrase are looked at closely: one fast search for all of them."""
    firsts = sorted({phrase.split()[0] for phrase in phrases})
    found = body.str.contains_any(firsts, ascii_case_insensitive=all(first.isascii() for first in firsts))
    rows = (found if all(first.isascii() for first in firsts) else body.is_not_null()).fill_null(False).arg_true()
    return pl.repeat(False, len(body), dtype=pl.Boolean, eager=True).scatter(rows, body.gather(rows).str.contains(pattern))
