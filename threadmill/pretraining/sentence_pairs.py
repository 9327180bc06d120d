# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Compiled loops that cut documents into BERT's instances, pairs of sentences or single runs, and lay these out.

Pairs are those of create_instances_from_document in google-research/bert, with its faults mended. A chunk of a single
sentence got a random partner always, so that short documents taught "random" nearly every time; here it gets its true
neighbour half of the time. A document of one sentence is cut in two, whichever its partner, so that neither the label nor
the cut tells the other. A "random" partner could come from the document itself, or from one that shares its sentences;
here it comes from another group. So next_sentence_labels is a fair coin wherever there are two groups.
"""

import numpy as np

from threadmill.kernels import kernel
from threadmill.randomness import below, combine, uniform

# The columns of a row: its key (see spool.KEY); where A begins (a sentence of the store, tokens to skip from there) and its
# length in tokens; the same of B, of length 0 in a single run; 1 where B is random.
KEY, A_SENTENCE, A_SKIP, A_LENGTH, B_SENTENCE, B_SKIP, B_LENGTH, IS_RANDOM = range(8)
COLUMNS = 8

# What a plan that goes on in another block must know: the document, the sentence where its next chunk begins (-1: not begun),
# the tokens of that one that are used, the target length, and the number of the document's rows.
_DOCUMENT, _SENTENCE, _SKIP, _TARGET, _ORDINAL = range(5)
STATE = 5


@kernel
def plan_pairs(lengths, offsets, groups, group_offsets, documents, fewest, key, most, short_seq_prob, state, stream, rows):
    """Fills ``rows`` with pairs of sentences until they are full, or the documents used up.

    Args:
        lengths, offsets, groups, group_offsets: see `TokenStore`; offsets are the documents'.
        documents: int64[2], the first of the part's documents and the one after its last.
        fewest: sentences of a document; one with fewer is passed over.
        key: uint64, of the part's random stream in this pass.
        most: tokens of a pair, without [CLS] and [SEP].
        state: int64[STATE] that begins as (documents[0], -1, 0, 0, 0); uint64[1] ``stream``. The next call goes on from both.
        rows: int64[n, COLUMNS].

    Returns:
        The rows filled; fewer than n where no document is left. At least one token on a side.
    """
    count = 0
    while state[_DOCUMENT] < documents[1]:
        document = state[_DOCUMENT]
        document_key = combine(key, document - documents[0])
        start, end = offsets[document], offsets[document + 1]
        if state[_SENTENCE] < 0:
            _begin(start if end - start >= fewest else end, document_key, most, short_seq_prob, state, stream)
        while state[_SENTENCE] < end:
            if count == len(rows):
                return count
            chunk, target = state[_SENTENCE], state[_TARGET]
            row = rows[count]
            if end - start == 1:
                state[_SENTENCE] = end
                _cut_sentence(lengths, offsets, groups, group_offsets, document, target, stream, row)
            else:
                stop = _chunk_end(lengths, chunk, end, target)
                state[_SENTENCE] = _pair_up(lengths, offsets, groups, group_offsets, document, chunk, stop, target, stream, row)
            if row[B_LENGTH] > 0:
                _truncate(row, most, stream)
                row[KEY] = np.int64(combine(document_key, state[_ORDINAL]))
                state[_ORDINAL] += 1
                count += 1
        state[_DOCUMENT], state[_SENTENCE] = document + 1, -1
    return count


@kernel
def plan_runs(lengths, offsets, documents, fewest, key, most, short_seq_prob, state, stream, rows):
    """As `plan_pairs`, for runs of a document's sentences: whole ones as long as they fit, and pieces of longer ones.

    Every token of a document is in one run. ``most`` is without [CLS] and [SEP]; B is empty.
    """
    count = 0
    while state[_DOCUMENT] < documents[1]:
        document = state[_DOCUMENT]
        document_key = combine(key, document - documents[0])
        start, end = offsets[document], offsets[document + 1]
        if state[_SENTENCE] < 0:
            _begin(start if end - start >= fewest else end, document_key, most, short_seq_prob, state, stream)
        while state[_SENTENCE] < end:
            if count == len(rows):
                return count
            row = rows[count]
            row[:] = 0
            row[KEY] = np.int64(combine(document_key, state[_ORDINAL]))
            row[A_SENTENCE], row[A_SKIP] = state[_SENTENCE], state[_SKIP]
            row[A_LENGTH] = _take_run(lengths, end, state)
            state[_ORDINAL] += 1
            count += 1
        state[_DOCUMENT], state[_SENTENCE] = document + 1, -1
    return count


@kernel
def _begin(start, document_key, most, short_seq_prob, state, stream):
    """Sets the state to the beginning of a document, and draws its target length."""
    stream[0] = document_key
    state[_SENTENCE], state[_SKIP], state[_TARGET], state[_ORDINAL] = start, 0, most, 0
    if uniform(stream) < short_seq_prob:
        state[_TARGET] = 2 + below(stream, most - 1)


@kernel
def _take_run(lengths, end, state):
    """The length of the run that begins at the state, which moves behind it."""
    target = state[_TARGET]
    length = lengths[state[_SENTENCE]] - state[_SKIP]
    if length > target:
        state[_SKIP] += target
        return target
    state[_SENTENCE], state[_SKIP] = state[_SENTENCE] + 1, 0
    while state[_SENTENCE] < end and length + lengths[state[_SENTENCE]] <= target:
        length += lengths[state[_SENTENCE]]
        state[_SENTENCE] += 1
    return length


@kernel
def _tokens(lengths, start, stop):
    """The tokens of the sentences from ``start`` up to ``stop``."""
    total = 0
    for sentence in range(start, stop):
        total += lengths[sentence]
    return total


@kernel
def _chunk_end(lengths, start, end, target):
    """Where the chunk from ``start`` ends: with the sentence that reaches ``target`` tokens, or with the document."""
    length = 0
    stop = start
    while stop < end and (stop == start or length < target):
        length += lengths[stop]
        stop += 1
    return stop


@kernel
def _others(group_offsets, group):
    """The documents of other groups."""
    return group_offsets[-1] - (group_offsets[group + 1] - group_offsets[group])


@kernel
def _pair_up(lengths, offsets, groups, group_offsets, document, start, stop, target, stream, row):
    """Fills in A and B for the chunk of sentences from ``start`` up to ``stop``; returns where the next chunk starts."""
    first, end = offsets[document], offsets[document + 1]
    cut = _random_cut(start, stop, stream)
    if _others(group_offsets, groups[document]) > 0 and uniform(stream) < 0.5:
        _set_side(lengths, start, cut, row, A_SENTENCE)
        _random_side(lengths, offsets, group_offsets, groups[document], target - row[A_LENGTH], stream, row)
        return cut  # what B would have used is left for the next chunk
    row[IS_RANDOM] = 0
    if stop - start > 1:
        _set_side(lengths, start, cut, row, A_SENTENCE)
        _set_side(lengths, cut, stop, row, B_SENTENCE)
    elif stop < end:
        _set_side(lengths, start, stop, row, A_SENTENCE)
        _set_side(lengths, stop, stop + 1, row, B_SENTENCE)  # the sentence after it stays for the next chunk
    else:
        begin = _reach_back(lengths, first, start, stop, target)
        cut = _random_cut(begin, stop, stream)
        _set_side(lengths, begin, cut, row, A_SENTENCE)
        _set_side(lengths, cut, stop, row, B_SENTENCE)
    return stop


@kernel
def _random_cut(start, stop, stream):
    """Where B begins in the sentences from ``start`` up to ``stop``, all but the first with the same chance."""
    return start + 1 + (below(stream, stop - start - 1) if stop - start > 2 else 0)


@kernel
def _cut_sentence(lengths, offsets, groups, group_offsets, document, target, stream, row):
    """Fills in A and B for a document of one sentence: A is its beginning, B its rest or the rest of a random one.

    B's length is 0 where there is neither: the sentence is one token, and no other group is there.
    """
    sentence = offsets[document]
    length = lengths[sentence]
    cut = 1 + below(stream, length - 1) if length > 1 else 1
    others = _others(group_offsets, groups[document])
    row[A_SENTENCE], row[A_SKIP], row[A_LENGTH] = sentence, 0, cut
    if others > 0 and (length == 1 or uniform(stream) < 0.5):
        _random_side(lengths, offsets, group_offsets, groups[document], target - cut, stream, row)
        begun = lengths[row[B_SENTENCE]]
        if begun > 1:
            row[B_SKIP] = 1 + below(stream, begun - 1)
            row[B_LENGTH] -= row[B_SKIP]
    else:
        row[IS_RANDOM] = 0
        row[B_SENTENCE], row[B_SKIP], row[B_LENGTH] = sentence, cut, length - cut


@kernel
def _reach_back(lengths, first, start, stop, target):
    """Where a chunk begins that ends with the document's last sentence: one before it, or as many as ``target`` has room for."""
    begin = start - 1
    total = _tokens(lengths, begin, stop)
    while begin > first and total + lengths[begin - 1] <= target:
        begin -= 1
        total += lengths[begin]
    return begin


@kernel
def _random_side(lengths, offsets, group_offsets, group, wanted, stream, row):
    """B: ``wanted`` tokens or a few more, from a random sentence of a random document of another group."""
    other = below(stream, _others(group_offsets, group))
    if other >= group_offsets[group]:
        other += group_offsets[group + 1] - group_offsets[group]
    end = offsets[other + 1]
    start = offsets[other] + below(stream, end - offsets[other])
    row[IS_RANDOM] = 1
    _set_side(lengths, start, _chunk_end(lengths, start, end, wanted), row, B_SENTENCE)


@kernel
def _set_side(lengths, start, stop, row, side):
    row[side], row[side + 1] = start, 0
    row[side + 2] = _tokens(lengths, start, stop)


@kernel
def _truncate(row, most, stream):
    """Trims the longer side, B of equal ones, token by token, at its front or back with equal chance."""
    while row[A_LENGTH] + row[B_LENGTH] > most:
        side = A_SENTENCE if row[A_LENGTH] > row[B_LENGTH] else B_SENTENCE
        if uniform(stream) < 0.5:
            row[side + 1] += 1
        row[side + 2] -= 1


@kernel
def lay_out(rows, ids, starts, lengths, is_contiguous, cls_id, sep_id, pad_id, size, columns, values, tokens):
    """Fills the rows of ``values`` with [CLS] A [SEP] B [SEP], or [CLS] A [SEP] where B is empty, padded; the rest with zeros.

    Args:
        rows: int64[n, COLUMNS].
        ids, starts, lengths, is_contiguous: see `TokenStore`.
        size: max_seq_length.
        columns: int64[4], where input_ids, input_mask, segment_ids and next_sentence_labels begin; -1 for no labels.
        values: int32[n, width], filled: see `FixedRecords`.
        tokens: int64[n], filled with the tokens of each row, special ones counted.
    """
    at_ids, at_mask, at_segments, at_label = columns[0], columns[1], columns[2], columns[3]
    for number in range(len(rows)):
        row, line = rows[number], values[number]
        line[:] = 0
        middle = row[A_LENGTH] + 1
        last = middle + row[B_LENGTH] + 1 if row[B_LENGTH] > 0 else middle
        line[at_ids], line[at_ids + middle], line[at_ids + last] = cls_id, sep_id, sep_id
        line[at_ids + last + 1 : at_ids + size] = pad_id
        a, b = line[at_ids + 1 : at_ids + middle], line[at_ids + middle + 1 : at_ids + last]
        _copy(ids, starts, lengths, is_contiguous, row[A_SENTENCE], row[A_SKIP], a)
        if last > middle:
            _copy(ids, starts, lengths, is_contiguous, row[B_SENTENCE], row[B_SKIP], b)
            line[at_segments + middle + 1 : at_segments + last + 1] = 1
        line[at_mask : at_mask + last + 1] = 1
        if at_label >= 0:
            line[at_label] = row[IS_RANDOM]
        tokens[number] = last + 1


@kernel
def _copy(ids, starts, lengths, is_contiguous, sentence, skip, output):
    """Fills ``output`` with the tokens of the sentences from ``sentence`` on, end to end, less the first ``skip``."""
    if is_contiguous:
        _copy_ids(ids[starts[sentence] + skip :], output)
        return
    position = 0
    while position < len(output):
        start, length = starts[sentence], lengths[sentence]
        taken = min(length - skip, len(output) - position)
        if taken > 0:
            _copy_ids(ids[start + skip :], output[position : position + taken])
            position += taken
        skip = max(0, skip - length)
        sentence += 1


@kernel
def _copy_ids(source, output):
    for index in range(len(output)):
        output[index] = source[index]
