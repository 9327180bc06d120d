# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Causal language modelling: all documents end to end, cut into runs of S tokens (as GPT-2's; Radford et al. 2019)."""

import numpy as np

from threadmill.kernels import kernel
from threadmill.randomness import below, combine

# The columns of a row: its key (see spool.KEY); where the run begins (a document, a sentence of it, tokens of the sentence to
# skip), its length; and 1 where a separator ends each sentence, 0 where it ends each document only.
KEY, DOCUMENT, SENTENCE, SKIP, LENGTH, TURNS = range(6)
COLUMNS = 6


@kernel
def plan_runs(lengths, document_ends, place, first_sentence, key, max_seq_length, shift, separate_turns, rows):
    """Fills ``rows`` (int64[n, COLUMNS]) with the runs from ``place`` on, and moves it; returns how many there were.

    Fewer than n mean that the documents are at their end. Every run but the last is ``max_seq_length`` long.

    Args:
        lengths: int[M], the tokens of each sentence, none 0.
        document_ends: int64[D], the sentence before which each document ends; the documents are planned up to the last.
        place: int64[3], a document, a sentence of it, and tokens of it to skip.
        first_sentence: the first one of all that are planned.
        key: uint64, of the random stream that the rows' keys come from.
        shift: the first run of all is of a random length, so that with another key all are cut at other places.
        separate_turns: a separator ends each sentence, not each document only.
    """
    count = 0
    while count < len(rows) and place[0] < len(document_ends):
        row = rows[count]
        row[KEY] = np.int64(combine(combine(key, place[1] - first_sentence), place[2]))
        row[DOCUMENT], row[SENTENCE], row[SKIP], row[TURNS] = place[0], place[1], place[2], separate_turns
        room = max_seq_length
        if shift and place[1] == first_sentence and place[2] == 0:
            room = _draw_length(key, max_seq_length)
        row[LENGTH] = room
        while room > 0 and place[0] < len(document_ends):
            room -= _take(lengths, document_ends, place, separate_turns, room)
        row[LENGTH] -= room
        count += 1
    return count


@kernel
def _draw_length(key, most):
    stream = np.empty(1, np.uint64)
    stream[0] = key
    return 1 + below(stream, most)


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
def lay_out_runs(rows, ids, starts, lengths, document_ends, sep_id, pad_id, size, columns, values):
    """Lays runs out, with a mask of 1 and the numbers of the documents in the run, from 1; returns how many of these there are.

    Args:
        ids, starts, lengths, document_ends: see `TokenStore`; ``document_ends`` is ``document_offsets`` but for the 0.
        size: max_seq_length.
        columns: int64[3], where input_ids, input_mask and segment_ids begin in a row of ``values``.
        values: int32[n, width], see `FixedRecords`; all of it is set.
    """
    place = np.empty(3, np.int64)
    total = 0
    for index in range(len(rows)):
        line, row = values[index], rows[index]
        line[:] = 0
        output = line[columns[0] : columns[0] + size]
        segments = line[columns[2] : columns[2] + size]
        place[:] = row[DOCUMENT:LENGTH]
        document, position = place[0], 0
        while position < row[LENGTH]:
            segment = place[0] - document + 1
            total += position == 0 or segment > segments[position - 1]
            start, tokens = starts[place[1]] + place[2], lengths[place[1]] - place[2]
            taken = _take(lengths, document_ends, place, row[TURNS] > 0, row[LENGTH] - position)
            tokens = min(tokens, taken)
            for offset in range(tokens):
                output[position + offset] = ids[start + offset]
            if tokens < taken:
                output[position + tokens] = sep_id
            segments[position : position + taken] = segment
            position += taken
        output[position:] = pad_id
        line[columns[1] : columns[1] + position] = 1
    return total
