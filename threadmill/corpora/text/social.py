"""Rewrites what posts on social media are full of: addresses, mentions, numbers, hashtags and emoji."""

import re
from typing import TYPE_CHECKING

import pyarrow as pa

from threadmill.corpora.text.config import KEEP, REPLACE, NormalizationConfig

if TYPE_CHECKING:
    import polars as pl

# Rust's regular expressions, as polars has them. An address is what a reader would follow: a scheme or www., or the host of
# a short link; punctuation behind it belongs to the sentence.
_URL = r"(?i)\b(?:(?:https?|ftp)://|www\.|(?:t\.co|bit\.ly|pic\.twitter\.com)/)[^\s<>\"]*[^\s<>\".,;:!?؟،؛…)\]}']"
_EMAIL = r"[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.\p{L}{2,}"
_MENTION = r"[@＠][\p{L}\p{N}_]+"
_NUMBER = r"[+-]?\b\p{Nd}+(?:[.,٫٬:/-]\p{Nd}+)*\b%?"
_MARKS = r"\w\u0610-\u061A\u064B-\u065F\u0670\u06D6-\u06ED"
_HASHTAG = re.compile(rf"[#＃]([{_MARKS}]*[^\W\d][{_MARKS}]*)")
_EMOJI = (
    r"(\p{Regional_Indicator}{2}|(?:\p{Emoji_Presentation}|\p{Extended_Pictographic}\x{FE0F})(?:\x{FE0F}|[\x{1F3FB}-\x{1F3FF}])?"
    r"(?:\x{200D}\p{Extended_Pictographic}\x{FE0F}?[\x{1F3FB}-\x{1F3FF}]?)*)"
)


def rewrites(config: NormalizationConfig) -> bool:
    """True where the settings ask for any of this."""
    treated = (config.urls, config.emails, config.mentions, config.numbers)
    return any(treatment != KEEP for treatment in treated) or config.split_hashtags or config.space_emoji


def rewritten(lines: pa.Array, config: NormalizationConfig) -> pa.Array:
    """The lines (large_string) with words in place of what the settings name, each set off by blanks."""
    import polars as pl

    from threadmill.datasets.arrow_text import large_strings

    texts = pl.Series("", lines, dtype=pl.String)
    for pattern, treatment, token in (
        (_URL, config.urls, config.url_token),
        (_EMAIL, config.emails, config.email_token),
        (_MENTION, config.mentions, config.mention_token),
    ):
        if treatment != KEEP:
            texts = texts.str.replace_all(pattern, f" {token} " if treatment == REPLACE else " ")
    if config.split_hashtags:
        texts = _split_hashtags(texts)
    if config.numbers != KEEP:
        texts = texts.str.replace_all(_NUMBER, f" {config.number_token} " if config.numbers == REPLACE else " ")
    if config.space_emoji:
        texts = texts.str.replace_all(_EMOJI, " $1 ")
    return large_strings(texts)


def _split_hashtags(texts: "pl.Series") -> "pl.Series":
    """Hashtags without their sign, and blanks in place of the low lines in them."""
    import polars as pl

    tagged = texts.str.contains("[#＃]")
    if not tagged.any():
        return texts
    split = [_HASHTAG.sub(lambda match: f" {match[1].replace('_', ' ')} ", line) for line in texts.filter(tagged)]
    return texts.scatter(tagged.arg_true(), pl.Series(split, dtype=pl.String))
