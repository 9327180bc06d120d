# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Causal language modelling: all documents end to end, cut into runs of S tokens (as GPT-2's; Radford et al. 2019)."""

import numpy as np

from threadmill.kernels import kernel

# The columns of a plan: where the run begins (a document, a sentence of it, tokens of the sentence to skip), and its length.
DOCUMENT, SENTENCE, SKIP, LENGTH = range(4)
COLUMNS = 4


@kernel
def plan_runs(lengths, document_ends, place, max_seq_length, separate_turns, rows):
    """Fills ``rows`` (int64[n, COLUMNS]) with the runs from ``place`` on, and moves it; returns how many there were.

    Fewer than n mean that the documents are at their end. Every run but the last is ``max_seq_length`` long.

    Args:
        lengths: int[M], the tokens of each sentence, none 0.
        document_ends: int64[D], the sentence before which each document ends; the documents are planned up to the last.
        place: int64[3], a document, a sentence of it, and tokens of it to skip.
        separate_turns: a separator ends each sentence, not each document only.
    """
    count = 0
    while count < len(rows) and place[0] < len(document_ends):
        rows[count, :LENGTH] = place
        room = max_seq_length
        while room > 0 and place[0] < len(document_ends):
            room -= _take(lengths, document_ends, place, separate_turns, room)
        rows[count, LENGTH] = max_seq_length - room
        count += 1
    return count


@kernel
def _take(lengths, document_ends, place, separate_turns, room):
    """Moves ``place`` over the rest of its sentence, with its separator, or over ``room`` of it; returns the size."""
    is_last = place[1] + 1 == document_ends[place[0]]
    size = lengths[place[1]] - place[2] + (is_last or separate_turns)
    if size > room:
        place[2] += room
        return room
    place[0] += is_last
    place[1] += 1
    place[2] = 0
    return size


@kernel
def lay_out_runs(rows, ids, starts, lengths, document_ends, sep_id, separate_turns, input_ids, input_mask, segment_ids):
    """Lays runs out.

    Args:
        ids, starts, lengths, document_ends: see `TokenStore`; ``document_ends`` is ``document_offsets`` but for the 0.
        separate_turns: bool[n], see `plan_runs`.
        input_ids: int[n, S], filled with the id of padding.
        input_mask, segment_ids: int[n, S] of zeros; become 1 where there is a token, and the number of its document in the
            run, from 1.
    """
    place = np.empty(3, np.int64)
    for index in range(len(rows)):
        length = rows[index, LENGTH]
        place[:] = rows[index, :LENGTH]
        document, position = place[0], 0
        while position < length:
            segment = place[0] - document + 1
            start, tokens = starts[place[1]] + place[2], lengths[place[1]] - place[2]
            size = _take(lengths, document_ends, place, separate_turns[index], length - position)
            tokens = min(tokens, size)
            input_ids[index, position : position + tokens] = ids[start : start + tokens]
            if tokens < size:
                input_ids[index, position + tokens] = sep_id
            segment_ids[index, position : position + size] = segment
            position += size
        input_mask[index, :length] = 1
