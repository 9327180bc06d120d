# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Pairs of a context and a response, for sequence-to-sequence models: from the turns of a thread, or from running text."""

import numpy as np

from threadmill.kernels import kernel
from threadmill.pretraining.spool import Rows
from threadmill.randomness import combine

# The columns of a row: its key (see spool.KEY), and the number of the record that it is packed into, which the planner of
# records sets; where the context begins (a sentence, tokens of it to skip) and its length with the separators; the sentence
# where the response begins and its length in tokens; 1 where either was cut to fit; 1 where a separator stands between the
# context's sentences.
KEY, RECORD, CONTEXT, SKIP, CONTEXT_LENGTH, RESPONSE, RESPONSE_LENGTH, CONTEXT_CUT, RESPONSE_CUT, TURNS = range(10)
COLUMNS = 10

# A key's high bits are its record's; the low ones, the pair's place in it, so that the pairs of a record stay together.
_SLOT_BITS = 12
_SLOTS = 1 << _SLOT_BITS


@kernel
def plan_turn_pairs(lengths, document_ends, place, max_context, max_response, rows):
    """Fills ``rows`` (int64[n, COLUMNS]) with the pairs from ``place`` on, and moves it; returns how many there were.

    A document is an example, its last turn is the response, cut at its end; the turns before it are the context, with a
    separator between turns. Of a context that is too long the oldest turns are left out, whole; of a newest turn that is
    too long alone its last tokens stay. A document of one turn has no pair. Fewer than n pairs mean that the documents
    are at their end.

    Args:
        lengths: int[M], the tokens of each sentence, none 0.
        document_ends: int64[D], the sentence before which each document ends; the documents are planned up to the last.
        place: int64[2], a document, and the sentence where it begins.
    """
    count = 0
    while count < len(rows) and place[0] < len(document_ends):
        first, response = place[1], document_ends[place[0]] - 1
        place[0] += 1
        place[1] = response + 1
        if response == first:
            continue
        row = rows[count]
        row[TURNS] = 1
        _set_response(lengths, response, response + 1, max_response, row)
        _set_context(lengths, first, response, max_context, 1, row)
        row[CONTEXT_CUT] = row[SKIP] > 0 or row[CONTEXT] > first
        count += 1
    return count


@kernel
def plan_text_pairs(lengths, document_ends, place, max_context, max_response, rows):
    """As `plan_turn_pairs`, of running text: as many sentences as fit are the response to those before them.

    Each sentence is in one response, but for the first of its document, which only is a context; one that is too long
    alone is cut at its end. The context is cut where its last sentence alone is too long.

    Args:
        place: int64[2], a document, and the sentence with which the next response begins, or the document's first.
    """
    count = 0
    while count < len(rows) and place[0] < len(document_ends):
        first = document_ends[place[0] - 1] if place[0] > 0 else 0
        end = document_ends[place[0]]
        response = max(place[1], first + 1)
        if response >= end:
            place[0] += 1
            place[1] = end
            continue
        place[1] = _response_end(lengths, response, end, max_response)
        row = rows[count]
        row[TURNS] = 0
        _set_response(lengths, response, place[1], max_response, row)
        _set_context(lengths, first, response, max_context, 0, row)
        row[CONTEXT_CUT] = row[SKIP] > 0
        count += 1
    return count


@kernel
def _response_end(lengths, response, end, room):
    stop = response + 1
    left = room - lengths[response]
    while stop < end and lengths[stop] <= left:
        left -= lengths[stop]
        stop += 1
    return stop


@kernel
def _set_response(lengths, response, stop, room, row):
    size = lengths[response:stop].sum()
    row[RESPONSE], row[RESPONSE_LENGTH], row[RESPONSE_CUT] = response, min(size, room), size > room


@kernel
def _set_context(lengths, first, response, room, separator, row):
    """As many whole sentences before the response as fit, or the last one's last tokens; ``separator`` ids between two."""
    context = response - 1
    length = lengths[context]
    row[SKIP] = max(0, length - room)
    while context > first and length + separator + lengths[context - 1] <= room:
        context -= 1
        length += separator + lengths[context]
    row[CONTEXT], row[CONTEXT_LENGTH] = context, min(length, room)


@kernel
def set_keys(rows, key, first, records):
    """Sets the keys of rows whose RECORD is set, ``records`` numbers from ``first`` on."""
    slots = np.zeros(records, np.int64)
    for row in rows:
        record = row[RECORD]
        low = np.uint64(min(slots[record - first], _SLOTS - 1))
        row[KEY] = np.int64(combine(key, record) & ~np.uint64(_SLOTS - 1) | low)
        slots[record - first] += 1


def whole_records(rows: Rows) -> Rows:
    """Rows in the order of their keys, with those of a record side by side even where another has its key's high bits.

    Records of such keys, of which a billion have some, are ordered by where they begin in the store.
    """
    highs = rows[:, KEY] >> _SLOT_BITS
    if not np.any((highs[1:] == highs[:-1]) & (rows[1:, RECORD] != rows[:-1, RECORD])):
        return rows
    order = np.lexsort((rows[:, RESPONSE], rows[:, RECORD]))
    order = order[np.argsort(highs[order].view(np.uint64) << np.uint64(_SLOT_BITS), kind="stable")]
    bounds = record_bounds(rows[order])
    begins = rows[order][bounds[:-1], RESPONSE]
    highs = highs[order][bounds[:-1]].view(np.uint64) << np.uint64(_SLOT_BITS)
    records = np.argsort(np.repeat(np.argsort(np.lexsort((begins, highs))), np.diff(bounds)), kind="stable")
    return np.ascontiguousarray(rows[order][records])


@kernel
def record_bounds(rows):
    """int64[r + 1]: where each record's rows begin, of rows in the order of their keys, and the number of rows."""
    bounds = np.empty(len(rows) + 1, np.int64)
    count = 0
    for index in range(len(rows)):
        row, before = rows[index], rows[index - 1]
        is_first = row[KEY] & (_SLOTS - 1) == 0
        if index == 0 or is_first or row[RECORD] != before[RECORD] or row[KEY] >> _SLOT_BITS != before[KEY] >> _SLOT_BITS:
            bounds[count] = index
            count += 1
    bounds[count] = len(rows)
    return bounds[: count + 1].copy()


@kernel
def lay_out_pairs(rows, records, ids, starts, lengths, cls_id, sep_id, pad_id, sizes, columns, values):
    """Lays pairs side by side: contexts; [CLS] response, and its labels, response [SEP]; the pairs' numbers, from 1.

    Args:
        records: int64[n], the row of ``values`` that each pair goes to: from 0, ascending, none left out.
        ids, starts, lengths: see `TokenStore`.
        sizes: max_seq_length and max_target_length.
        columns: int64[5], where encoder_input_ids, encoder_segment_ids, decoder_input_ids, decoder_labels and
            decoder_segment_ids begin in a row of ``values``.
        values: int32[r, width], see `FixedRecords`; all of it is set.
    """
    index = 0
    for record in range(len(values)):
        line = values[record]
        line[:] = 0
        encoder_ids, encoder_segments = _view(line, columns[0], sizes[0]), _view(line, columns[1], sizes[0])
        decoder_ids, decoder_labels = _view(line, columns[2], sizes[1]), _view(line, columns[3], sizes[1])
        decoder_segments = _view(line, columns[4], sizes[1])
        segment, encoder, decoder = 0, 0, 0
        while index < len(rows) and records[index] == record:
            row = rows[index]
            segment += 1
            stop = encoder + row[CONTEXT_LENGTH]
            _copy_context(row, ids, starts, lengths, sep_id, encoder_ids[encoder:stop])
            encoder_segments[encoder:stop] = segment
            encoder = stop
            start, length = starts[row[RESPONSE]], row[RESPONSE_LENGTH]  # one of several sentences lies in one piece
            stop = decoder + length
            decoder_ids[decoder], decoder_labels[stop] = cls_id, sep_id
            for offset in range(length):
                token = ids[start + offset]
                decoder_ids[decoder + 1 + offset] = token
                decoder_labels[decoder + offset] = token
            decoder_segments[decoder : stop + 1] = segment
            decoder = stop + 1
            index += 1
        encoder_ids[encoder:] = pad_id
        decoder_ids[decoder:] = pad_id
        decoder_labels[decoder:] = pad_id


@kernel
def _view(line, start, size):
    return line[start : start + size]


@kernel
def _copy_context(row, ids, starts, lengths, sep_id, output):
    sentence, skip, position = row[CONTEXT], row[SKIP], 0
    while position < len(output):
        start = starts[sentence] + skip
        size = min(lengths[sentence] - skip, len(output) - position)
        for offset in range(size):
            output[position + offset] = ids[start + offset]
        position += size
        if row[TURNS] > 0 and position < len(output):
            output[position] = sep_id
            position += 1
        sentence += 1
        skip = 0
