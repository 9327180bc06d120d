"""Documents for tests whose every token tells where it stood: token t is the t-th of all tokens."""

from collections.abc import Sequence

import numpy as np

from threadmill.pretraining.documents import Documents
from threadmill.vocab.vocabulary import TokenLines


def documents_of_lengths(threads: Sequence[Sequence[Sequence[int]]]) -> Documents:
    """Threads of documents of turns; a turn is given as its number of tokens."""
    documents = [lengths for thread in threads for lengths in thread]
    turn_lengths = [length for lengths in documents for length in lengths]
    offsets = np.concatenate([[0], np.cumsum(turn_lengths)]).astype(np.int64)
    turn_offsets = np.concatenate([[0], np.cumsum([len(lengths) for lengths in documents])]).astype(np.int64)
    ends = np.cumsum([len(thread) for thread in threads])
    bounds = [(end - len(thread), end) for thread, end in zip(threads, ends, strict=True) for _ in thread]
    return Documents(
        TokenLines(np.arange(offsets[-1], dtype=np.int32), offsets),
        np.arange(len(turn_lengths), dtype=np.int64),
        turn_offsets,
        np.array(bounds, np.int64).reshape(-1, 2),
        np.arange(len(documents), dtype=np.int64),
    )


def document_of_token(documents: Documents) -> np.ndarray:
    """int64[tokens]: the document in which each token stands."""
    turns = np.repeat(np.arange(len(documents)), np.diff(documents.turn_offsets))
    return np.repeat(turns, np.diff(documents.sentences.offsets))
