# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""RoBERTa's FULL-SENTENCES and DOC-SENTENCES: whole sentences packed one after the other (Liu et al. 2019, section 4.2)."""

import numpy as np

from threadmill.kernels import kernel
from threadmill.randomness import combine

# The columns of a row: its key (see spool.KEY); where the tokens begin (a document, a sentence of it, tokens of the sentence
# to skip); and the instance's length, with the special tokens.
KEY, DOCUMENT, SENTENCE, SKIP, LENGTH = range(5)
COLUMNS = 5


@kernel
def plan_full_sentences(lengths, document_ends, place, first_sentence, key, max_seq_length, across_documents, rows):
    """Fills ``rows`` (int64[n, COLUMNS]) with the instances from ``place`` on, and moves it; returns how many there were.

    An instance is one special token, whole sentences in their order, and a separator; another separator stands between
    documents. A sentence longer than an instance's room is cut: its first piece fills up the instance before it, so
    that every token is in exactly one instance. Fewer than n mean that the documents are at their end.

    Args:
        lengths: int[M], the tokens of each sentence, none 0.
        document_ends: int64[D], the sentence before which each document ends; the documents are planned up to the last.
        place: int64[3], a document, a sentence of it, and tokens of it to skip.
        first_sentence: the first one of all that are planned.
        key: uint64, of the random stream that the rows' keys come from.
        across_documents: False for DOC-SENTENCES, where an instance ends with its document.
    """
    room = max_seq_length - 2
    count = 0
    while count < len(rows) and place[0] < len(document_ends):
        row = rows[count]
        row[KEY] = np.int64(combine(combine(key, place[1] - first_sentence), place[2]))
        row[DOCUMENT], row[SENTENCE], row[SKIP] = place[0], place[1], place[2]
        row[LENGTH] = _fill(lengths, document_ends, place, room, across_documents) + 2
        count += 1
    return count


@kernel
def _fill(lengths, document_ends, place, room, across_documents):
    """Moves ``place`` over as much as an instance has room for; returns its tokens and the separators between documents."""
    used = 0
    document = place[0]
    while place[0] < len(document_ends) and (across_documents or place[0] == document):
        separator = np.int64(place[0] != document)
        left = room - used - separator
        size = lengths[place[1]] - place[2]
        if size > left:
            if lengths[place[1]] <= room or left <= 0:
                return used
            place[2] += left
            return room
        used += separator + size
        document = place[0]
        _step(document_ends, place)
    return used


@kernel
def _step(document_ends, place):
    """Moves ``place`` to the next sentence."""
    place[1] += 1
    place[2] = 0
    place[0] += place[1] == document_ends[place[0]]


@kernel
def lay_out_full_sentences(rows, ids, starts, lengths, document_ends, cls_id, sep_id, pad_id, size, columns, values):
    """Lays instances out as [CLS] sentences [SEP] sentences of the next document [SEP].

    Args:
        ids, starts, lengths, document_ends: see `TokenStore`; ``document_ends`` is ``document_offsets`` but for the 0.
        size: max_seq_length.
        columns: int64[2], where input_ids and input_mask begin in a row of ``values``.
        values: int32[n, width], see `FixedRecords`; all of it is set, to 0 where it is another feature's.
    """
    place = np.empty(3, np.int64)
    for index in range(len(rows)):
        line = values[index]
        line[:] = 0
        output = line[columns[0] : columns[0] + size]
        last = rows[index, LENGTH] - 1
        place[:] = rows[index, DOCUMENT:LENGTH]
        document = place[0]
        output[0], output[last] = cls_id, sep_id
        position = 1
        while position < last:
            if place[0] != document:
                output[position] = sep_id
                position += 1
                document = place[0]
            start = starts[place[1]] + place[2]
            tokens = min(lengths[place[1]] - place[2], last - position)
            for offset in range(tokens):
                output[position + offset] = ids[start + offset]
            position += tokens
            _step(document_ends, place)
        output[last + 1 :] = pad_id
        line[columns[1] : columns[1] + last + 1] = 1
