"""How the kinds of vocabularies write words as tokens: special tokens, pieces that go on, and text from tokens."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

from threadmill.vocab.config import SPECIAL_TOKENS
from threadmill.vocab.files import TOKENIZER_NAME

BERT, SENTENCEPIECE, BYTE_LEVEL = "bert", "sentencepiece", "bytelevel"
CONTINUATION, WORD_START, BYTE_LEVEL_SPACE = "##", "▁", "Ġ"
SENTENCEPIECE_NAME = "spiece.model"

_OTHER_SPECIALS = ("<pad>", "<unk>", "<s>", "</s>", "<mask>")


@dataclass(frozen=True)
class Style:
    """One way to write words as tokens.

    Attributes:
        specials: the names of padding, unknown, beginning, separator and mask.
        encoder: the class that makes ids of text, loaded where it is used.
        model_file: the file it needs besides vocab.txt, or "".
        goes_on: of a token: whether it goes on inside a word.
        join: the text of tokens, none of them special.
    """

    specials: tuple[str, ...]
    encoder: str
    model_file: str
    goes_on: Callable[[str], bool]
    join: Callable[[Sequence[str]], str]


def style_of(kind: str, form: str) -> Style:
    """The style of a kind of vocabulary; those that were converted to BERT's form have BERT's."""
    if kind == "bytelevel-bpe":
        return STYLES[BYTE_LEVEL]
    return STYLES[SENTENCEPIECE if form == SENTENCEPIECE else BERT]


@cache
def byte_letters() -> tuple[str, ...]:
    """The letter that stands for each byte in byte-level tokens (Radford et al. 2019): itself, if it can be seen."""
    seen = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    unseen = sorted(set(range(256)) - seen)
    return tuple(chr(byte if byte in seen else 256 + unseen.index(byte)) for byte in range(256))


def _goes_on_bert(token: str) -> bool:
    return token.startswith(CONTINUATION) and len(token) > len(CONTINUATION)


def _join_bert(tokens: Sequence[str]) -> str:
    return " ".join(tokens).replace(f" {CONTINUATION}", "")


def _goes_on_sentencepiece(token: str) -> bool:
    return not token.startswith(WORD_START)


def _join_sentencepiece(tokens: Sequence[str]) -> str:
    return "".join(tokens).replace(WORD_START, " ").strip()


def _goes_on_byte_level(token: str) -> bool:
    return not token.startswith(BYTE_LEVEL_SPACE)


def _join_byte_level(tokens: Sequence[str]) -> str:
    bytes_of = {letter: byte for byte, letter in enumerate(byte_letters())}
    return bytes(bytes_of[letter] for letter in "".join(tokens)).decode(errors="replace").strip()


# The registry of styles.
STYLES = {
    BERT: Style(SPECIAL_TOKENS, "threadmill.vocab.wordpiece_encoder:WordPieceEncoder", "", _goes_on_bert, _join_bert),
    SENTENCEPIECE: Style(
        *(_OTHER_SPECIALS, "threadmill.vocab.sentencepiece_encoder:SentencePieceEncoder", SENTENCEPIECE_NAME),
        *(_goes_on_sentencepiece, _join_sentencepiece),
    ),
    BYTE_LEVEL: Style(
        *(_OTHER_SPECIALS, "threadmill.vocab.bytelevel_encoder:ByteLevelEncoder", TOKENIZER_NAME),
        *(_goes_on_byte_level, _join_byte_level),
    ),
}
