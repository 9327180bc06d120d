# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Compiled loops that lay pairs of sentences out as BERT's inputs and mask them (Devlin et al. 2018, appendix A)."""

import numpy as np
from numba import njit

from threadmill.pretraining.sentence_pairs import A_LENGTH, A_SKIP, A_TURN, B_LENGTH, B_SKIP, B_TURN, DOCUMENT, ORDINAL
from threadmill.randomness import below, combine, uniform


@njit(nogil=True, cache=True)
def lay_out(pairs, tokens, token_offsets, turns, cls_id, sep_id, input_ids, input_mask, segment_ids):
    """Fills int32[n, S] arrays of zeros with [CLS] A [SEP] B [SEP], ones over them, and ones over B and its [SEP]."""
    for row in range(len(pairs)):
        pair = pairs[row]
        middle = pair[A_LENGTH] + 1
        last = middle + pair[B_LENGTH] + 1
        input_ids[row, 0], input_ids[row, middle], input_ids[row, last] = cls_id, sep_id, sep_id
        _copy(tokens, token_offsets, turns, pair[A_TURN], pair[A_SKIP], input_ids[row, 1:middle])
        _copy(tokens, token_offsets, turns, pair[B_TURN], pair[B_SKIP], input_ids[row, middle + 1 : last])
        input_mask[row, : last + 1] = 1
        segment_ids[row, middle + 1 : last + 1] = 1


@njit(nogil=True, cache=True)
def _copy(tokens, token_offsets, turns, turn, skip, output):
    """Fills ``output`` with the tokens of turns[turn:], end to end, less the first ``skip``."""
    position = 0
    while position < len(output):
        start, end = token_offsets[turns[turn]], token_offsets[turns[turn] + 1]
        for index in range(min(start + skip, end), end):
            if position == len(output):
                break
            output[position] = tokens[index]
            position += 1
        skip = max(0, skip - (end - start))
        turn += 1


@njit(nogil=True, cache=True)
def mask_tokens(pairs, keys, masked_lm_prob, mask_id, ordinary_ids, input_ids, positions, labels, weights):
    """Masks tokens of ``input_ids`` (int32[n, S], laid out) in place.

    max(1, round(length x masked_lm_prob)) tokens, halves to the even number, but no more than P; the length counts [CLS]
    and [SEP], which are never masked. Of them 80 % become [MASK], 10 % stay, 10 % become any token but a special one.

    Args:
        keys: uint64[D], the random stream of each document in this pass.
        ordinary_ids: int32, the ids of all tokens that are not special.
        positions, labels: int32[n, P] of zeros, filled with the masked places, ascending, and the tokens that stood there.
        weights: float32[n, P] of zeros, filled with 1 where there is a masked token.
    """
    stream = np.empty(1, np.uint64)
    places = np.empty(input_ids.shape[1], np.int64)
    chosen = np.empty(input_ids.shape[1], np.bool_)
    for row in range(len(pairs)):
        pair = pairs[row]
        stream[0] = combine(keys[pair[DOCUMENT]], pair[ORDINAL])
        length = pair[A_LENGTH] + pair[B_LENGTH] + 3
        count = min(positions.shape[1], length - 3, max(1, _round_half_even(length * masked_lm_prob)))
        _choose(pair, count, stream, places, chosen)
        slot = 0
        for place in range(length):
            if chosen[place]:
                positions[row, slot], labels[row, slot], weights[row, slot] = place, input_ids[row, place], 1.0
                input_ids[row, place] = _replacement(input_ids[row, place], mask_id, ordinary_ids, stream)
                slot += 1


@njit(nogil=True, cache=True)
def _round_half_even(value):
    whole = np.int64(np.floor(value))
    rest = value - whole
    return whole + (rest > 0.5 or (rest == 0.5 and whole % 2 == 1))


@njit(nogil=True, cache=True)
def _choose(pair, count, stream, places, chosen):
    """Marks ``count`` random places of the pair in ``chosen``, none of them [CLS] or [SEP]."""
    middle, total = pair[A_LENGTH] + 1, pair[A_LENGTH] + pair[B_LENGTH]
    for index in range(total):
        places[index] = index + 1 if index + 1 < middle else index + 2
    chosen[: total + 3] = False
    for index in range(count):
        other = index + below(stream, total - index)
        places[index], places[other] = places[other], places[index]
        chosen[places[index]] = True


@njit(nogil=True, cache=True)
def _replacement(token, mask_id, ordinary_ids, stream):
    if uniform(stream) < 0.8:
        return np.int32(mask_id)
    if uniform(stream) < 0.5:
        return token
    return ordinary_ids[below(stream, len(ordinary_ids))]


@njit(nogil=True, cache=True)
def document_keys(key, rows, passage):
    """uint64[D]: the random stream of each document in one pass, from the shard's key."""
    keys = np.empty(len(rows), np.uint64)
    for document in range(len(rows)):
        keys[document] = combine(combine(key, rows[document]), passage)
    return keys
