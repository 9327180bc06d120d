"""The language of a text, by lingua (https://github.com/pemistahl/lingua-rs).

lingua's low accuracy mode is used: trigrams of all 75 languages, 110 MB in all (the other mode takes 1 GB a process). Texts
of a few words are of no clear language: they pass, because a comment breaks the rule only where another language is found with
some confidence.
"""

from functools import cache
from typing import Any

import polars as pl

from threadmill.conversations.config import ConversationsConfig
from threadmill.errors import ConfigError

_HEAD = 500  # characters that are looked at
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
    texts = body.fill_null("").str.head(_HEAD).str.replace_all(_NO_LANGUAGE, " ")
    found = _detector().detect_languages_in_parallel_of(texts.to_list())
    others: dict[Any, list[int]] = {}
    for row, language in enumerate(found):
        if language is not None and language.iso_code_639_1.name.lower() not in wanted:
            others.setdefault(language, []).append(row)
    broken = [False] * len(texts)
    for language, rows in others.items():
        sure = _detector().compute_language_confidence_in_parallel(texts.gather(rows).to_list(), language)
        for row, value in zip(rows, sure, strict=True):
            broken[row] = value >= confidence
    return pl.Series(broken, dtype=pl.Boolean)


@cache
def _languages() -> dict[str, Any]:
    from lingua import Language

    return {language.iso_code_639_1.name.lower(): language for language in Language.all()}


@cache
def _detector() -> Any:
    from lingua import LanguageDetectorBuilder

    return LanguageDetectorBuilder.from_all_languages().with_low_accuracy_mode().build()
