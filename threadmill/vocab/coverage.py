"""How well a vocabulary fits lines of text: words that became [UNK], and tokens a word."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from threadmill.vocab.vocabulary import Vocabulary


@dataclass(frozen=True)
class Coverage:
    """Counts over lines; the rates are None where there is no word."""

    lines: int
    words: int
    unknown_words: int
    unknown_rate: float | None
    tokens_per_word: float | None


def measure(vocabulary: Vocabulary, ids: npt.NDArray[np.int32], lines: int) -> Coverage:
    """Counts the words, those that are [UNK], and the tokens of text that was encoded to ``ids`` (int32[t])."""
    counts = np.bincount(ids, minlength=len(vocabulary))
    return coverage_of_counts(vocabulary, counts, lines)


def coverage_of_counts(vocabulary: Vocabulary, counts: npt.NDArray[np.int64], lines: int) -> Coverage:
    """The same from how often each id occurs (int64[V])."""
    words = int(counts[~vocabulary.continuations].sum())
    unknown = int(counts[vocabulary.specials.unk])
    rates = (round(unknown / words, 6), round(int(counts.sum()) / words, 4)) if words else (None, None)
    return Coverage(lines, words, unknown, *rates)
