"""A SentencePiece model's pieces as a BERT vocabulary: bare at the beginning of a word, ``##`` inside."""

from collections.abc import Sequence

from threadmill.vocab.config import SPECIAL_TOKENS
from threadmill.vocab.styles import CONTINUATION, WORD_START


def smallest_size(alphabet: Sequence[str]) -> int:
    """Entries of the smallest vocabulary: special tokens, and each character bare and as a continuation."""
    return len(SPECIAL_TOKENS) + 2 * len(alphabet)


def bert_tokens(pieces: Sequence[str], alphabet: Sequence[str], size: int) -> list[str]:
    """At most ``size`` tokens: special tokens, characters, characters as continuations, then the pieces in their order.

    The usual conversion writes a blank line for the bare mark of a word's start, and leaves a character out that the
    trainer saw only inside words, or only at their beginning, so that words with it elsewhere become [UNK].

    Args:
        pieces: subwords of the model, the best first; those of word starts begin with ``▁``.
        alphabet: the characters; each gets both forms.
        size: entries wanted, `smallest_size` or more.
    """
    characters = [*alphabet, *(CONTINUATION + letter for letter in alphabet)]
    subwords = (piece.removeprefix(WORD_START) if piece.startswith(WORD_START) else CONTINUATION + piece for piece in pieces)
    distinct = dict.fromkeys((*SPECIAL_TOKENS, *characters, *filter(None, subwords)))
    return list(distinct)[:size]
