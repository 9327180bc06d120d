# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Collects the tokens of spans that may be anywhere in a split, by reading its token files once from front to back."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from threadmill.engine.prefetch import prefetch
from threadmill.kernels import kernel
from threadmill.pretraining.store import Integers
from threadmill.pretraining.token_files import TokenFile

Ids = npt.NDArray[Any]

SENTENCE, SKIP, LENGTH = range(3)  # the columns of a span, see `Objective.spans`

# The columns of a piece, what a span has of one sentence: the sentence, tokens of it to skip, their number, and where they go.
_OF, _FROM, _TOKENS, _TO = range(4)


def collect_tokens(files: Sequence[TokenFile], lengths: npt.NDArray[np.int32], spans: Integers) -> Ids:
    """The tokens of all spans, end to end. Memory: 2 bytes a token (4 of a large vocabulary), 70 a sentence, and a few blocks.

    Args:
        files: of the split, in their order.
        lengths: int32[M], the tokens of each sentence of the split.
        spans: int64[m, 3].
    """
    ids: Ids = np.empty(int(spans[:, LENGTH].sum()), files[0].id_type)
    pieces = np.empty((count_pieces(lengths, spans), 4), np.int64)
    cut_pieces(lengths, spans, pieces)
    pieces = pieces[np.argsort(pieces[:, _OF], kind="stable")]
    firsts = np.cumsum([0, *(file.sentences for file in files)])
    bounds = np.searchsorted(pieces[:, _OF], firsts)
    for file, first, begin, end in zip(files, firsts[:-1], bounds[:-1], bounds[1:], strict=True):
        if end > begin:
            _take(file, int(first), pieces[begin:end], ids)
    return ids


def _take(file: TokenFile, first: int, pieces: Integers, ids: Ids) -> None:
    """Copies the pieces of one file, ordered by their sentences, of which ``first`` is the file's first."""
    places = _starts(file, pieces[:, _OF] - first) + pieces[:, _FROM]
    order = np.argsort(places)
    places, sizes, targets = places[order], pieces[order, _TOKENS], pieces[order, _TO]
    longest = int(sizes.max())
    for begin, block in prefetch(file.blocks("ids")):
        some = slice(*np.searchsorted(places, [begin - longest, begin + len(block)]))
        copy_overlaps(block, begin, places[some], sizes[some], targets[some], ids)


def _starts(file: TokenFile, sentences: Integers) -> Integers:
    """int64[n]: where the given sentences, ascending, begin in the file's ids."""
    starts = np.empty(len(sentences), np.int64)
    for begin, block in prefetch(file.blocks("starts")):
        some = slice(*np.searchsorted(sentences, [begin, begin + len(block)]))
        starts[some] = block[sentences[some] - begin]
    return starts


@kernel
def count_pieces(lengths, spans):
    """The pieces of all spans."""
    count = 0
    for span in spans:
        sentence, skip, left = span[SENTENCE], span[SKIP], span[LENGTH]
        while left > 0:
            taken = min(lengths[sentence] - skip, left)
            if taken > 0:
                count += 1
                left -= taken
            skip = max(0, skip - lengths[sentence])
            sentence += 1
    return count


@kernel
def cut_pieces(lengths, spans, pieces):
    """Fills ``pieces`` (int64[n, 4])."""
    count, place = 0, 0
    for span in spans:
        sentence, skip, left = span[SENTENCE], span[SKIP], span[LENGTH]
        while left > 0:
            taken = min(lengths[sentence] - skip, left)
            if taken > 0:
                piece = pieces[count]
                piece[_OF], piece[_FROM], piece[_TOKENS], piece[_TO] = sentence, skip, taken, place
                count += 1
                left -= taken
                place += taken
            skip = max(0, skip - lengths[sentence])
            sentence += 1


@kernel
def copy_overlaps(block, begin, places, sizes, targets, output):
    """Copies from ``block``, which begins at ``begin`` in the ids, what it has of each piece."""
    end = begin + len(block)
    for index in range(len(places)):
        place = places[index]
        shift = targets[index] - place
        for token in range(max(place, begin), min(place + sizes[index], end)):
            output[token + shift] = block[token - begin]


@kernel
def lay_end_to_end(spans, first, stop, ids, starts, lengths, collected, output):
    """Fills ``output`` with the tokens of all spans; returns how many of ``collected`` it took.

    Args:
        spans: int64[m, 3]; those of the sentences from ``first`` up to ``stop`` are copied from ``ids``, the others are
            next in ``collected``.
        ids, starts, lengths: of the sentences from ``first`` on, see `TokenStore`.
    """
    taken, position = 0, 0
    for span in spans:
        sentence, skip, end = span[SENTENCE] - first, span[SKIP], position + span[LENGTH]
        if sentence < 0 or sentence >= stop - first:
            for index in range(position, end):
                output[index] = collected[taken]
                taken += 1
            position = end
        while position < end:
            size = min(lengths[sentence] - skip, end - position)
            for index in range(size):
                output[position + index] = ids[starts[sentence] + skip + index]
            position += max(0, size)
            skip = max(0, skip - lengths[sentence])
            sentence += 1
    return taken
