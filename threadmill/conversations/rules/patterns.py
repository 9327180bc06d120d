"""Rules that look for a pattern in the text."""

import polars as pl

from threadmill.conversations.config import ConversationsConfig

_QUOTES = {"line": r"(?m)^[ \t]*(?:>|&gt;)", "any": r">|&gt;"}


def url(config: ConversationsConfig) -> pl.Expr | None:
    """An address that begins with http://, https:// or www."""
    return _holds(r"(?i)https?://|\bwww\.[a-z0-9]", config.drop_urls)


def quote(config: ConversationsConfig) -> pl.Expr | None:
    """Reddit's mark of a quotation, at the start of a line or (as DialoGPT's extractor has it) anywhere."""
    return _holds(_QUOTES.get(config.drop_quotes, ""), config.drop_quotes in _QUOTES)


def non_ascii_start(config: ConversationsConfig) -> pl.Expr | None:
    """The first character is beyond ASCII (Roller et al. 2020)."""
    return _holds(r"\A[^\x00-\x7F]", config.drop_non_ascii_start)


def bracket(config: ConversationsConfig) -> pl.Expr | None:
    """A round or square bracket, for it may be markup (DialoGPT's extractor)."""
    return _holds(r"[\[\]()]", config.drop_brackets)


def shouting(config: ConversationsConfig) -> pl.Expr | None:
    """Five capitals in a row (DialoGPT's extractor)."""
    return _holds(r"[A-Z]{5}", config.drop_shouting)


def _holds(pattern: str, asked: bool) -> pl.Expr | None:
    return pl.col("body").str.contains(pattern) if asked else None
