# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Pairs of a context and a response, for sequence-to-sequence models: from the turns of a thread, or from running text."""

from threadmill.kernels import kernel

# The columns of a plan: the document; where the context begins (a sentence, tokens of it to skip) and its length with the
# separators; the sentence where the response begins and its length in tokens; 1 where either was cut to fit.
DOCUMENT, CONTEXT, SKIP, CONTEXT_LENGTH, RESPONSE, RESPONSE_LENGTH, CONTEXT_CUT, RESPONSE_CUT = range(8)
COLUMNS = 8


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
        document, first, response = place[0], place[1], document_ends[place[0]] - 1
        place[0] += 1
        place[1] = response + 1
        if response == first:
            continue
        row = rows[count]
        row[DOCUMENT] = document
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
        row[DOCUMENT] = place[0]
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
def lay_out_pairs(
    rows,
    records,
    ids,
    starts,
    lengths,
    cls_id,
    sep_id,
    separate_turns,
    encoder_ids,
    encoder_segments,
    decoder_ids,
    decoder_labels,
    decoder_segments,
):
    """Lays pairs side by side in [r, S]: contexts; [CLS] response, and its labels, response [SEP]; their numbers, from 1.

    Args:
        records: int64[n], the row of the arrays that each pair goes to, ascending.
        ids, starts, lengths: see `TokenStore`.
        separate_turns: bool[n], a separator between the context's sentences.
        encoder_ids, decoder_ids, decoder_labels: filled with the id of padding; the segments with 0.
    """
    record, segment, encoder, decoder = -1, 0, 0, 0
    for index in range(len(rows)):
        row = rows[index]
        if records[index] != record:
            record, segment, encoder, decoder = records[index], 0, 0, 0
        segment += 1
        stop = encoder + row[CONTEXT_LENGTH]
        _copy_context(row, ids, starts, lengths, sep_id, separate_turns[index], encoder_ids[record, encoder:stop])
        encoder_segments[record, encoder:stop] = segment
        encoder = stop
        start, length = starts[row[RESPONSE]], row[RESPONSE_LENGTH]  # a response of several sentences lies in one piece
        stop = decoder + length
        decoder_ids[record, decoder] = cls_id
        decoder_ids[record, decoder + 1 : stop + 1] = ids[start : start + length]
        decoder_labels[record, decoder:stop] = ids[start : start + length]
        decoder_labels[record, stop] = sep_id
        decoder_segments[record, decoder : stop + 1] = segment
        decoder = stop + 1


@kernel
def _copy_context(row, ids, starts, lengths, sep_id, separate_turns, output):
    sentence, skip, position = row[CONTEXT], row[SKIP], 0
    while position < len(output):
        start = starts[sentence] + skip
        size = min(lengths[sentence] - skip, len(output) - position)
        output[position : position + size] = ids[start : start + size]
        position += size
        if separate_turns and position < len(output):
            output[position] = sep_id
            position += 1
        sentence += 1
        skip = 0
