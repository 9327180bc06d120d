"""Settings of the corpus stage, and the presets that bring them together."""

import re
from dataclasses import dataclass

from threadmill.config import check_settings, setting
from threadmill.errors import ConfigError

FORMATS = ("amazon", "lines", "prose", "jsonl", "parquet", "huggingface")
AUTO = "auto"
KEEP, REPLACE, REMOVE = "keep", "replace", "remove"
_TREATMENTS = (KEEP, REPLACE, REMOVE)
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[a-z]+)*")


@dataclass(frozen=True)
class NormalizationConfig:
    """What is done to each line, beside what always is: NFC, control characters removed, white space collapsed."""

    remove_format: bool = setting(
        False, "Invisible format characters go: marks of direction, zero-width spaces and joiners, soft hyphens"
    )
    remove_diacritics: bool = setting(False, "The vowel signs of Arabic and other marks of recitation go")
    remove_tatweel: bool = setting(False, "The Arabic letter-stretching sign goes")
    max_repeats: int = setting(0, "The same letter in a row at most, so that elongated words are one; 0: any", minimum=0)
    urls: str = setting(KEEP, "Web addresses stay, become url_token, or go", choices=_TREATMENTS)
    emails: str = setting(KEEP, "E-mail addresses stay, become email_token, or go", choices=_TREATMENTS)
    mentions: str = setting(KEEP, "@names stay, become mention_token, or go", choices=_TREATMENTS)
    numbers: str = setting(KEEP, "Numbers stay, become number_token, or go", choices=_TREATMENTS)
    split_hashtags: bool = setting(False, "#two_words become two words")
    space_emoji: bool = setting(False, "Emoji are words of their own")
    url_token: str = setting("URL", "The word that stands for a web address")
    email_token: str = setting("EMAIL", "The word that stands for an e-mail address")
    mention_token: str = setting("USER", "The word that stands for a @name")
    number_token: str = setting("NUM", "The word that stands for a number")

    def __post_init__(self) -> None:
        check_settings(self)
        for name in ("url_token", "email_token", "mention_token", "number_token"):
            token = getattr(self, name)
            if not token.isalpha():
                raise ConfigError(
                    f"{name} is {token!r}; write letters only, such as URL, so that tokenizers keep it in one piece"
                )


@dataclass(frozen=True)
class CorpusConfig(NormalizationConfig):
    """How sources are read, normalised, and cut into shards. The splits are fractions of the documents."""

    format: str = setting(AUTO, "What the sources are; auto: told by how each begins", choices=(*FORMATS, AUTO))
    field: str = setting(
        "",
        "Column of the text; several, with commas between, follow each other in a document. Empty: text, of reviews review_body",
    )
    sentences: str = setting(
        AUTO,
        "Whether texts are cut into sentences (split) or each line of them is one (lines); auto: lines and product titles are",
        choices=(AUTO, "split", "lines"),
    )
    language: str = setting("en", "Language (ISO 639) whose abbreviations do not end a sentence")
    html: str = setting(AUTO, "HTML's breaks and entities: clean or keep; auto: of reviews clean", choices=(AUTO, "clean", KEEP))
    document_lines: int = setting(
        0,
        "Lines after which a document ends without a blank line; 0: never in the format lines, at the next paragraph's end "
        "after 100 in prose",
        minimum=0,
    )
    shard_lines: int = setting(512_000, "Lines a shard: it ends with the document that reaches them", minimum=1)
    validation_split: float = setting(0.05, "Fraction of the documents for validation", minimum=0, maximum=1)
    test_split: float = setting(0.0, "Fraction of the documents for testing", minimum=0, maximum=1)
    max_bad_fraction: float = setting(
        0.01, "Lines and rows that hold no text, of all that are read, above which the run fails", minimum=0, maximum=1
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _LANGUAGE.fullmatch(self.language):
            raise ConfigError(f"language is {self.language!r}; write its ISO 639 code, such as en or ar")
        if self.validation_split + self.test_split >= 1:
            raise ConfigError(
                f"validation_split {self.validation_split:g} + test_split {self.test_split:g} leave nothing to train on; "
                "they must be below 1 together"
            )

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of the columns of text; empty where none was given."""
        return tuple(name.strip() for name in self.field.split(",") if name.strip())


@dataclass(frozen=True)
class Preset:
    """A choice for all settings."""

    description: str
    config: CorpusConfig


# Abdelali et al. 2021, "Pre-Training BERT on Arabic Tweets" (arXiv:2102.10684) and its prepare_vocab.py, which sets emoji apart
# and cuts hashtags at "_", but turns the vowel signs into spaces in the middle of words. Two of a letter stay: laughter (hh) and
# the two l of Allah are words with both.
_ARABIC = CorpusConfig(
    remove_format=True,
    remove_diacritics=True,
    remove_tatweel=True,
    max_repeats=2,
    urls=REPLACE,
    emails=REPLACE,
    mentions=REPLACE,
    split_hashtags=True,
    space_emoji=True,
    language="ar",
    document_lines=100,
)

PRESETS = {
    "default": Preset("text as it is", CorpusConfig()),
    "arabic": Preset(
        "the normalisation of tweets that QARiB (Abdelali et al. 2021) means: words for addresses and mentions, no vowel signs, "
        "no elongation; 100 lines a document",
        _ARABIC,
    ),
    "amazon": Preset(
        "reviews of the Amazon customer reviews data set: the product's title, then the review's sentences",
        CorpusConfig(format="amazon", field="product_title,review_body", html="clean"),
    ),
}


def find_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}; use one of {', '.join(PRESETS)}")
    return PRESETS[name]
