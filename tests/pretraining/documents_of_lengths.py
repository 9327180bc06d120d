"""Token stores for tests whose every token tells where it stood: token t is the t-th of all tokens."""

from collections.abc import Sequence

import numpy as np

from threadmill.documents.sources import TEXT_KIND
from threadmill.pretraining.store import StoredPart, TokenStore


def documents_of_lengths(threads: Sequence[Sequence[Sequence[int]]], kind: str = TEXT_KIND) -> TokenStore:
    """Threads of documents of sentences; a sentence is given as its number of tokens. All is one part."""
    documents = [lengths for thread in threads for lengths in thread]
    lengths = np.array([length for sentences in documents for length in sentences], np.int32)
    return TokenStore(
        ids=np.arange(lengths.sum(), dtype=np.int32),
        starts=np.cumsum(lengths, dtype=np.int64) - lengths,
        lengths=lengths,
        document_offsets=np.cumsum([0, *(len(sentences) for sentences in documents)], dtype=np.int64),
        groups=np.repeat(np.arange(len(threads)), [len(thread) for thread in threads]),
        group_offsets=np.cumsum([0, *(len(thread) for thread in threads)], dtype=np.int64),
        parts=(StoredPart("part", kind, 0, len(documents)),),
        is_contiguous=kind == TEXT_KIND,
    )


def document_of_token(store: TokenStore) -> np.ndarray:
    """int64[tokens]: the document in which each token stands."""
    sentences = np.repeat(np.arange(store.documents), np.diff(store.document_offsets))
    return np.repeat(sentences, store.lengths)
