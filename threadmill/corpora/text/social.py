"""Rewrites what posts on social media are full of: addresses, mentions, numbers, hashtags and emoji."""

import re
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from threadmill.corpora.text.config import KEEP, REPLACE, NormalizationConfig
from threadmill.corpora.text.line_kernels import lines_with
from threadmill.datasets.arrow_text import large_strings, text_buffers

if TYPE_CHECKING:
    import polars as pl

# Rust's regular expressions, as polars has them. An address is what a reader would follow: a scheme or www., or the host of
# a short link; punctuation behind it belongs to the sentence.
_URL = r"(?i)\b(?:(?:https?|ftp)://|www\.|(?:t\.co|bit\.ly|pic\.twitter\.com)/)[^\s<>\"]*[^\s<>\".,;:!?؟،؛…)\]}']"
_URL_HINT = r"(?i)://|www\.|t\.co/|bit\.ly/|twitter\.com/"
_EMAIL = r"[\p{L}\p{N}._%+-]+@[\p{L}\p{N}-]+(?:\.[\p{L}\p{N}-]+)*\.\p{L}{2,}"
_MENTION = r"[@＠][\p{L}\p{N}_]+"
_NUMBER = r"[+-]?\b\p{Nd}+(?:[.,٫٬:/-]\p{Nd}+)*\b%?"
_MARKS = r"\w\u0610-\u061A\u064B-\u065F\u0670\u06D6-\u06ED"
_HASHTAG = re.compile(rf"[#＃]([{_MARKS}]*[^\W\d][{_MARKS}]*)")
_EMOJI = (
    r"(\p{Regional_Indicator}{2}|(?:\p{Emoji_Presentation}|\p{Extended_Pictographic}\x{FE0F})(?:\x{FE0F}|[\x{1F3FB}-\x{1F3FF}])?"
    r"(?:\x{200D}\p{Extended_Pictographic}\x{FE0F}?[\x{1F3FB}-\x{1F3FF}]?)*)"
)


_EMOJI_HINT = r"[\x{203C}-\x{3299}\x{A9}\x{AE}\x{1F000}-\x{1FAFF}]"


def rewrites(config: NormalizationConfig) -> bool:
    """True where the settings ask for any of this."""
    treated = (config.urls, config.emails, config.mentions, config.numbers)
    return any(treatment != KEEP for treatment in treated) or config.split_hashtags or config.space_emoji


def may_be_rewritten(lines: pa.Array, config: NormalizationConfig) -> npt.NDArray[np.bool_]:
    """bool[n]: lines (large_string) that hold a byte with which something begins that is rewritten: nearly all that do are."""
    wanted = np.zeros(256, np.bool_)
    for begins, asked in (
        (b"/.", config.urls != KEEP),
        (b"@\xef", config.emails != KEEP or config.mentions != KEEP),
        (b"#\xef", config.split_hashtags),
        (b"\xc2\xe2\xe3\xf0", config.space_emoji),
    ):
        wanted[list(begins)] |= asked
    data, offsets = text_buffers(lines)
    found = np.ones(len(lines), np.bool_)
    if config.numbers == KEEP:  # digits of all scripts begin with too many bytes
        lines_with(data, offsets, wanted, found)
    return found


def rewrite(lines: pa.Array, config: NormalizationConfig) -> pa.Array:
    """The lines (large_string) with words in place of what the settings name, each set off by blanks."""
    import polars as pl

    texts = pl.Series("", lines, dtype=pl.String)
    for pattern, hint, treatment, token in (
        (_URL, _URL_HINT, config.urls, config.url_token),
        (_EMAIL, "@", config.emails, config.email_token),
        (_MENTION, "[@＠]", config.mentions, config.mention_token),
    ):
        if treatment != KEEP:
            texts = _replaced(texts, pattern, hint, f" {token} " if treatment == REPLACE else " ")
    if config.split_hashtags:
        texts = _split_hashtags(texts)
    if config.numbers != KEEP:
        texts = _replaced(texts, _NUMBER, r"\p{Nd}", f" {config.number_token} " if config.numbers == REPLACE else " ")
    if config.space_emoji:
        texts = _replaced(texts, _EMOJI, _EMOJI_HINT, " $1 ")
    return large_strings(texts)


def _replaced(texts: "pl.Series", pattern: str, hint: str, replacement: str) -> "pl.Series":
    """The texts with every match replaced; only those that the quicker ``hint`` matches are looked through."""
    places = texts.str.contains(hint).arg_true()
    if not len(places):
        return texts
    return texts.scatter(places, texts.gather(places).str.replace_all(pattern, replacement))


def _split_hashtags(texts: "pl.Series") -> "pl.Series":
    """Hashtags without their sign, and blanks in place of the low lines in them."""
    import polars as pl

    tagged = texts.str.contains("[#＃]")
    if not tagged.any():
        return texts
    split = [_HASHTAG.sub(lambda match: f" {match[1].replace('_', ' ')} ", line) for line in texts.filter(tagged)]
    return texts.scatter(tagged.arg_true(), pl.Series(split, dtype=pl.String))
