# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""The documents of a shard as flat arrays of tokens: a document is a conversation example, its sentences are the turns."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

from threadmill.datasets.arrow_text import concatenated, large_strings
from threadmill.datasets.counters import Counters
from threadmill.randomness import combine
from threadmill.vocab.vocabulary import TokenLines, Vocabulary

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Documents:
    """D documents of M turns in all, over U distinct turns; the documents of one thread are neighbours.

    Attributes:
        sentences: the tokens of the U distinct turns.
        turns: int64[M], the distinct turn that each turn is.
        turn_offsets: int64[D + 1], document d has turns[turn_offsets[d]:turn_offsets[d + 1]], oldest first.
        threads: int64[D, 2], the first document of d's thread and the one after its last.
        rows: int64[D], the row of the shard that a document was.
    """

    sentences: TokenLines
    turns: Integers
    turn_offsets: Integers
    threads: Integers
    rows: Integers

    def __len__(self) -> int:
        return len(self.rows)


def conversation_documents(
    examples: Any, turn_columns: Sequence[str], vocabulary: Vocabulary, counters: Counters, *, keep_prefixes: bool = False
) -> Documents:
    """The documents of a shard's examples; counts examples as read, kept, and dropped.

    A turn without tokens is left out. Dropped are examples of fewer than two turns (``one_turn``: a pair of sentences
    cannot be made from them) and, unless ``keep_prefixes``, those whose turns are the beginning of another example of
    the same thread (``prefix_of_longer``).

    Args:
        examples: polars.DataFrame with ``thread_id`` and the turn columns, all String.
        turn_columns: oldest first.
    """
    count = len(examples)
    texts = concatenated([large_strings(examples[name]) for name in turn_columns]).dictionary_encode()
    sentences = vocabulary.encode(texts.dictionary)
    grid = np.asarray(texts.indices).astype(np.int64).reshape(len(turn_columns), count)
    threads = np.asarray(large_strings(examples["thread_id"]).dictionary_encode().indices).astype(np.int64)
    rows = np.argsort(threads, kind="stable")
    present = (np.diff(sentences.offsets) > 0)[grid]
    many = present.sum(axis=0)[rows] >= 2
    counters.read += count
    counters.drop("one_turn", count - int(many.sum()))
    documents = _select(sentences, grid, present, threads, rows[many])
    if not keep_prefixes:
        whole = ~prefixes_of_longer(documents, threads)
        counters.drop("prefix_of_longer", len(documents) - int(whole.sum()))
        documents = _select(sentences, grid, present, threads, documents.rows[whole])
    counters.kept += len(documents)
    return documents


def prefixes_of_longer(documents: Documents, threads: Integers) -> npt.NDArray[np.bool_]:
    """bool[D]: True where a document's turns are the beginning of a longer document of its thread.

    Args:
        threads: int64, the thread of each row of the shard.
    """
    hashes = _path_hashes(documents.turns, documents.turn_offsets, threads[documents.rows])
    last = np.zeros(len(hashes), np.bool_)
    last[documents.turn_offsets[1:] - 1] = True
    return np.isin(hashes[last], hashes[~last])


def _select(
    sentences: TokenLines, grid: Integers, present: npt.NDArray[np.bool_], threads: Integers, rows: Integers
) -> Documents:
    chosen = present[:, rows].T
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(chosen.sum(axis=1), out=offsets[1:])
    _, first, inverse, sizes = np.unique(threads[rows], return_index=True, return_inverse=True, return_counts=True)
    bounds = np.stack([first, first + sizes], axis=1)[inverse].reshape(-1, 2)
    return Documents(sentences, grid[:, rows].T[chosen], offsets, bounds, rows)


@njit(nogil=True, cache=True)
def _path_hashes(turns, offsets, threads):
    """uint64[M]: a hash of the thread and of all turns of the document up to and with each turn."""
    hashes = np.empty(len(turns), np.uint64)
    for document in range(len(offsets) - 1):
        state = np.uint64(threads[document])
        for index in range(offsets[document], offsets[document + 1]):
            state = combine(state, turns[index])
            hashes[index] = state
    return hashes
