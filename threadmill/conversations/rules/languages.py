"""The language of a text, by lingua (https://github.com/pemistahl/lingua-rs).

Told apart are those wanted and the 32 that are written most on Reddit, by lingua's full models: about 600 MB a process, and
1,100 comments a CPU-second. (Its low accuracy mode needs 110 MB and is no faster with short texts, but takes one English
comment in seventy for one in another language, and is sure of it.) Texts of a few words are of no clear language: they pass,
because a comment breaks the rule only where another language is found with some confidence.
"""

from functools import cache
from typing import Any

import polars as pl

from threadmill.conversations.config import ConversationsConfig
from threadmill.errors import ConfigError

_HEAD = 200  # characters that are looked at
_COMMON = "ar bg cs da de el en es fa fi fr he hi hr hu id it ja ko nb nl pl pt ro ru sv th tl tr uk vi zh"
_NO_LANGUAGE = r"(?i)https?://\S+|www\.\S+|[ur]/\w+"  # addresses are in none


def unwanted(config: ConversationsConfig) -> pl.Expr | None:
    """The text is in none of the languages wanted, with at least language_confidence in the one that it is taken for.

    Raises:
        ConfigError: lingua knows no such language.
    """
    if not config.language_codes:
        return None
    wanted = frozenset(config.language_codes)
    if unknown := sorted(wanted - set(_languages())):
        raise ConfigError(f"languages names {unknown[0]!r}; use some of {', '.join(sorted(_languages()))}")
    confidence = config.language_confidence
    return pl.col("body").map_batches(lambda body: _in_another(body, wanted, confidence), return_dtype=pl.Boolean)


def _in_another(body: pl.Series, wanted: frozenset[str], confidence: float) -> pl.Series:
    detector = _detector(wanted)
    texts = body.fill_null("").str.head(_HEAD).str.replace_all(_NO_LANGUAGE, " ")
    found = detector.detect_languages_in_parallel_of(texts.to_list())
    others: dict[Any, list[int]] = {}
    for row, language in enumerate(found):
        if language is not None and language.iso_code_639_1.name.lower() not in wanted:
            others.setdefault(language, []).append(row)
    broken = [False] * len(texts)
    for language, rows in others.items():
        sure = detector.compute_language_confidence_in_parallel(texts.gather(rows).to_list(), language)
        for row, value in zip(rows, sure, strict=True):
            broken[row] = value >= confidence
    return pl.Series(broken, dtype=pl.Boolean)


@cache
def _languages() -> dict[str, Any]:
    from lingua import Language

    return {language.iso_code_639_1.name.lower(): language for language in Language.all()}


@cache
def _detector(wanted: frozenset[str]) -> Any:
    from lingua import LanguageDetectorBuilder

    languages = [_languages()[code] for code in sorted(wanted | set(_COMMON.split()))]
    return LanguageDetectorBuilder.from_languages(*languages).build()
