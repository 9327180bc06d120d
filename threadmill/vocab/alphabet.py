"""Which characters of a text a vocabulary has, at the beginning of words and inside them."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from threadmill.vocab.normalisation import WordsOf, bert_words, sentencepiece_words
from threadmill.vocab.styles import BERT, BYTE_LEVEL, CONTINUATION, STYLES, byte_letters, style_of
from threadmill.vocab.vocabulary import Vocabulary
from threadmill.vocab.word_counts import Words

_BATCH = 200_000
_EXAMPLES = 10


@dataclass(frozen=True)
class Alphabet:
    """The characters of a text against a vocabulary.

    Attributes:
        characters: distinct ones in the text, as the tokenizer sees it.
        missing_bare: of these, the ones that can begin no word, for the vocabulary has them not on their own.
        missing_continuations: of those that stand inside words, the ones that the vocabulary has not as a continuation.
        coverage: the share of the text's characters that the vocabulary has in the form that their place asks for; None
            where there is no text.
        examples: the most frequent of those that are missing in either form.
    """

    characters: int
    missing_bare: int
    missing_continuations: int
    coverage: float | None
    examples: str


def words_of(vocabulary: Vocabulary) -> WordsOf:
    """What the vocabulary's text rules make of a stretch between white space."""
    style = style_of(vocabulary.kind, vocabulary.form)
    if style is STYLES[BERT]:
        return bert_words(vocabulary.lowercase)
    if style is STYLES[BYTE_LEVEL]:
        return lambda stretch: [stretch.lower() if vocabulary.lowercase else stretch]
    from sentencepiece import SentencePieceNormalizer

    return sentencepiece_words(SentencePieceNormalizer(model_proto=vocabulary.model))


def find_characters(words: Words, vocabulary: Vocabulary) -> Alphabet:
    """Looks for each character of ``words``, which `words_of` made."""
    first, inside = _occurrences(words)
    bare, continued = _known(vocabulary, np.flatnonzero(first + inside).tolist())
    total = int((first + inside).sum())
    found = int(first[bare].sum() + inside[continued].sum())
    seen = first + inside > 0
    no_bare, no_continuation = seen & ~bare, (inside > 0) & ~continued
    missing = np.where(no_bare | no_continuation, first + inside, 0)
    examples = np.argsort(-missing, kind="stable")[: min(_EXAMPLES, np.count_nonzero(missing))]
    return Alphabet(
        int(seen.sum()),
        int(no_bare.sum()),
        int(no_continuation.sum()),
        round(found / total, 6) if total else None,
        "".join(map(chr, examples.tolist())),
    )


def _occurrences(words: Words) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """int64[0x110000] twice: how often each code point begins a word, and how often it stands inside one."""
    first, inside = np.zeros(0x110000, np.int64), np.zeros(0x110000, np.int64)
    for start in range(0, len(words), _BATCH):
        part = words[start : start + _BATCH]
        points = np.frombuffer("".join(word for word, _ in part).encode("utf-32-le"), np.uint32)
        lengths = np.array([len(word) for word, _ in part], np.int64)
        times = np.repeat(np.array([count for _, count in part], np.int64), lengths)
        begins = np.zeros(len(points), np.bool_)
        begins[np.cumsum(lengths) - lengths] = True
        np.add.at(first, points[begins], times[begins])
        np.add.at(inside, points[~begins], times[~begins])
    return first, inside


def _known(vocabulary: Vocabulary, points: Iterable[int]) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """bool[0x110000] twice: which of the code points the vocabulary has on their own, and which as a continuation."""
    bare, continued = np.zeros(0x110000, np.bool_), np.zeros(0x110000, np.bool_)
    style = style_of(vocabulary.kind, vocabulary.form)
    for point in points:
        letter = chr(point)
        if style is STYLES[BYTE_LEVEL]:
            bare[point] = continued[point] = all(byte_letters()[byte] in vocabulary.ids for byte in letter.encode())
        elif style is STYLES[BERT]:
            bare[point], continued[point] = letter in vocabulary.ids, CONTINUATION + letter in vocabulary.ids
        else:
            bare[point] = continued[point] = letter in vocabulary.ids
    return bare, continued
