"""Documents for tests whose every token tells where it stood: the t-th of all tokens has the id FIRST + t."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

PAD, CLS, SEP, MASK, FIRST = 0, 1, 2, 3, 10

# Some documents of a few sentences, given as their numbers of tokens.
DOCUMENTS = st.lists(st.lists(st.integers(1, 12), min_size=1, max_size=6), max_size=8)


@dataclass(frozen=True)
class Sentences:
    """What the kernels take of a token store."""

    ids: np.ndarray
    starts: np.ndarray
    lengths: np.ndarray
    ends: np.ndarray

    @property
    def tokens(self) -> list[int]:
        """All tokens, in order."""
        return list(range(FIRST, FIRST + len(self.ids)))

    @property
    def document_of(self) -> dict[int, int]:
        """Token -> the document in which it stands."""
        documents = np.repeat(np.arange(len(self.ends)), np.diff(self.ends, prepend=0))
        return dict(zip(self.tokens, np.repeat(documents, self.lengths).tolist(), strict=True))


def sentences_of_lengths(documents: Sequence[Sequence[int]], *, scattered: bool = False) -> Sentences:
    """Documents of sentences; a sentence is given as its number of tokens.

    Args:
        scattered: the sentences lie in the store in another order than they are read, as the turns of threads may.
    """
    lengths = np.array([length for document in documents for length in document], np.int32)
    ends = np.cumsum([len(document) for document in documents]).astype(np.int64)
    read = np.split(np.arange(FIRST, FIRST + lengths.sum(), dtype=np.int32), np.cumsum(lengths)[:-1])
    order = np.arange(len(lengths))[:: -1 if scattered else 1]
    starts = np.empty(len(lengths), np.int64)
    starts[order] = np.cumsum(lengths[order]) - lengths[order]
    ids = np.concatenate([read[sentence] for sentence in order]) if len(order) else np.zeros(0, np.int32)
    return Sentences(ids, starts, lengths, ends)


def planned(kernel, sentences: Sentences, columns: int, place: int, *arguments, block: int = 3) -> np.ndarray:
    """All rows of a plan, asked for in small blocks as the objectives do."""
    at, rows = np.zeros(place, np.int64), []
    while not rows or len(rows[-1]) == block:
        part = np.zeros((block, columns), np.int64)
        rows.append(part[: kernel(sentences.lengths, sentences.ends, at, *arguments, part)])
    return np.concatenate(rows)
