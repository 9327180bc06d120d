# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Compiled loops that cut documents into pairs of sentences for BERT's next-sentence prediction.

The algorithm is create_instances_from_document of google-research/bert, with two faults mended. A chunk of a single
sentence got a random partner always, so that short documents taught "random" nearly every time; here it gets its true
neighbour half of the time. A "random" partner could come from the document itself, or from one that shares its
sentences; here it comes from another thread. So next_sentence_labels is a fair coin wherever there are two threads.
"""

import numpy as np
from numba import njit

from threadmill.randomness import below, uniform

# The columns of a pair: where A begins (a place in Documents.turns, tokens to skip from there) and its length; the same
# of B; 1 where B is random; the document, and the pair's number in it.
A_TURN, A_SKIP, A_LENGTH, B_TURN, B_SKIP, B_LENGTH, IS_RANDOM, DOCUMENT, ORDINAL = range(9)
COLUMNS = 9


@njit(nogil=True, cache=True)
def plan_pairs(token_offsets, turns, turn_offsets, threads, keys, max_seq_length, short_seq_prob):
    """One pass over all documents.

    Args:
        token_offsets: int64[U + 1], the bounds of the distinct turns' tokens.
        turns, turn_offsets, threads: see `Documents`.
        keys: uint64[D], the random stream of each document in this pass.

    Returns:
        int64[n, COLUMNS], the pairs in the documents' order. At most max_seq_length - 3 tokens each, at least one on a side.
    """
    pairs = np.empty((len(turns), COLUMNS), np.int64)  # a pair uses up a turn or more; pages never written cost nothing
    stream = np.empty(1, np.uint64)
    count = 0
    most = max_seq_length - 3
    for document in range(len(turn_offsets) - 1):
        stream[0] = keys[document]
        before = count
        target = most
        if uniform(stream) < short_seq_prob:
            target = 2 + below(stream, most - 1)
        start, end = turn_offsets[document], turn_offsets[document + 1]
        while start < end:
            stop = _chunk_end(token_offsets, turns, start, end, target)
            pair = pairs[count]
            start = _pair_up(token_offsets, turns, turn_offsets, threads, document, start, stop, target, stream, pair)
            if pair[B_LENGTH] > 0:
                _truncate(pair, most, stream)
                pair[DOCUMENT], pair[ORDINAL] = document, count - before
                count += 1
    return pairs[:count].copy()


@njit(nogil=True, cache=True)
def _tokens(token_offsets, turns, start, stop):
    """The tokens of turns[start:stop]."""
    total = 0
    for index in range(start, stop):
        total += token_offsets[turns[index] + 1] - token_offsets[turns[index]]
    return total


@njit(nogil=True, cache=True)
def _chunk_end(token_offsets, turns, start, end, target):
    """Where the chunk from ``start`` ends: with the turn that reaches ``target`` tokens, or with the document."""
    length = 0
    stop = start
    while stop < end and (stop == start or length < target):
        length += _tokens(token_offsets, turns, stop, stop + 1)
        stop += 1
    return stop


@njit(nogil=True, cache=True)
def _pair_up(token_offsets, turns, turn_offsets, threads, document, start, stop, target, stream, pair):
    """Fills in A and B for the chunk turns[start:stop]; returns where the next chunk starts. B's length 0: no partner."""
    first, end = turn_offsets[document], turn_offsets[document + 1]
    others = len(threads) - (threads[document, 1] - threads[document, 0])
    cut = start + 1
    if stop - start > 2:
        cut += below(stream, stop - start - 1)
    if others > 0 and (end - first == 1 or uniform(stream) < 0.5):
        _set_side(token_offsets, turns, start, cut, pair, A_TURN)
        _random_side(token_offsets, turns, turn_offsets, threads[document], others, target - pair[A_LENGTH], stream, pair)
        return cut  # what B would have used is left for the next chunk
    if stop - start == 1 and stop < end:
        _true_sides(token_offsets, turns, start, cut, stop + 1, pair)  # the turn after it stays for the next chunk
    elif stop - start == 1:
        _true_sides(token_offsets, turns, _reach_back(token_offsets, turns, first, start, stop, target), start, stop, pair)
    else:
        _true_sides(token_offsets, turns, start, cut, stop, pair)
    return stop


@njit(nogil=True, cache=True)
def _true_sides(token_offsets, turns, start, cut, stop, pair):
    pair[IS_RANDOM] = 0
    _set_side(token_offsets, turns, start, cut, pair, A_TURN)
    _set_side(token_offsets, turns, cut, stop, pair, B_TURN)
    if cut == start:  # the only turn of its document, and there is no other thread
        pair[B_LENGTH] = 0


@njit(nogil=True, cache=True)
def _reach_back(token_offsets, turns, first, start, stop, target):
    """Where A begins that leads to the document's last turn: one turn before it, or as many as ``target`` has room for."""
    begin = max(first, start - 1)
    while begin > first and _tokens(token_offsets, turns, begin - 1, stop) <= target:
        begin -= 1
    return begin


@njit(nogil=True, cache=True)
def _random_side(token_offsets, turns, turn_offsets, thread, others, wanted, stream, pair):
    """B: ``wanted`` tokens or a few more, from a random turn of a random document of another thread."""
    other = below(stream, others)
    if other >= thread[0]:
        other += thread[1] - thread[0]
    end = turn_offsets[other + 1]
    start = turn_offsets[other] + below(stream, end - turn_offsets[other])
    pair[IS_RANDOM] = 1
    _set_side(token_offsets, turns, start, _chunk_end(token_offsets, turns, start, end, wanted), pair, B_TURN)


@njit(nogil=True, cache=True)
def _set_side(token_offsets, turns, start, stop, pair, side):
    pair[side], pair[side + 1] = start, 0
    pair[side + 2] = _tokens(token_offsets, turns, start, stop)


@njit(nogil=True, cache=True)
def _truncate(pair, most, stream):
    """Trims the longer side, B of equal ones, token by token, at its front or back with equal chance."""
    while pair[A_LENGTH] + pair[B_LENGTH] > most:
        side = A_TURN if pair[A_LENGTH] > pair[B_LENGTH] else B_TURN
        if uniform(stream) < 0.5:
            pair[side + 1] += 1
        pair[side + 2] -= 1
