"""Text as the tokenizers see it: the words that their rules make of a stretch between ASCII white space."""

import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from threadmill.vocab.bert_text import split_words
from threadmill.vocab.styles import WORD_START

if TYPE_CHECKING:
    from sentencepiece import SentencePieceNormalizer

WordsOf = Callable[[str], Sequence[str]]

_ASCII_WORD = re.compile(r"[A-Za-z0-9]+|[^A-Za-z0-9]")


def bert_words(lowercase: bool) -> WordsOf:
    """By BERT's rules; see `threadmill.vocab.bert_text`."""

    def words_of(stretch: str) -> Sequence[str]:
        if stretch.isascii() and stretch.isprintable():
            return _ASCII_WORD.findall(stretch.lower() if lowercase else stretch)
        return split_words(stretch, lowercase)

    return words_of


def sentencepiece_words(normalizer: "SentencePieceNormalizer") -> WordsOf:
    """By the rules of a SentencePiece model, to which its mark of a word's start is white space."""

    def words_of(stretch: str) -> Sequence[str]:
        text: str = normalizer.Normalize(stretch.replace("\0", ""))
        return text.replace(WORD_START, " ").split()

    return words_of
