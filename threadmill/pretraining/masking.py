# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""The compiled loop that masks laid out tokens (Devlin et al. 2018, appendix A), by tokens, whole words or n-grams."""

import numpy as np

from threadmill.kernels import kernel
from threadmill.randomness import below, combine, uniform

_ONE = np.int32(0x3F800000)  # the bits of 1.0 in float32
_INSIDE, _NO_TEXT = 1, 2  # kinds of tokens: one that goes on inside a word, and one that is never masked
_STREAM = 1  # of the streams below a row's key, this one draws masks


@kernel
def mask_tokens(
    keys, tokens, size, predictions, columns, masked_lm_prob, unmasked, mask_id, ordinary_ids, inside, max_ngram_size, values
):
    """Masks tokens of laid out rows in place.

    max(1, round(length x masked_lm_prob)) tokens, halves to the even number, but no more than P; the length counts [CLS]
    and [SEP], which are never masked. Of them 80 % become [MASK], 10 % stay, 10 % become any token but a special one.
    They are drawn in runs of up to ``max_ngram_size`` words (or tokens), n with a chance of 1/n, that overlap nowhere; a run
    over what is left to mask is made shorter, and a word over it is passed over (google-research/bert, ALBERT).

    Args:
        keys: uint64[n], of the rows' random streams.
        tokens: int64[n], the length of each row.
        size, predictions: max_seq_length and max_predictions_per_seq, P.
        columns: int64[4], where input_ids, masked_lm_positions, masked_lm_ids and masked_lm_weights begin; the last three
            are zeros.
        unmasked: int32[k], the ids that are no text, [CLS] and [SEP]; no run or word goes over one.
        ordinary_ids: int32, the ids of all tokens that are not special.
        inside: bool[V], True where a token goes on with the word before it; all False to mask single tokens.
        values: int32[n, width], see `FixedRecords`; weights are written as the bits of a float32.

    Returns:
        The tokens masked.
    """
    stream = np.empty(1, np.uint64)
    kinds = inside.astype(np.uint8)
    kinds[unmasked] = _NO_TEXT
    single = max_ngram_size == 1 and not np.any(inside)
    units = np.empty(size + 1, np.int64)
    order = np.empty(size + 1, np.int64)
    chosen = np.zeros(size, np.bool_)
    at_ids, at_positions, at_labels, at_weights = columns[0], columns[1], columns[2], columns[3]
    total = 0
    for row in range(len(values)):
        line = values[row]
        stream[0] = combine(keys[row], _STREAM)
        length = tokens[row]
        line_ids = line[at_ids : at_ids + length]
        if single:
            count, candidates = 0, _find_places(line_ids, kinds, order)
        else:
            count, candidates = _find_units(line_ids, kinds, units)
        wanted = min(predictions, max(1, _round_half_even(length * masked_lm_prob)), candidates)
        if single:
            _choose_places(candidates, wanted, stream, order, chosen)
        else:
            _choose_units(units, count, wanted, max_ngram_size, stream, order, chosen)
        slots = _collect(chosen[:length], order)
        for slot in range(slots):
            place = order[slot]
            token = line_ids[place]
            line[at_positions + slot], line[at_labels + slot], line[at_weights + slot] = place, token, _ONE
            line_ids[place] = _replacement(token, mask_id, ordinary_ids, stream)
        total += slots
    return total


@kernel
def _round_half_even(value):
    whole = np.int64(np.floor(value))
    rest = value - whole
    return whole + (rest > 0.5 or (rest == 0.5 and whole % 2 == 1))


@kernel
def _find_places(line_ids, kinds, order):
    """Fills ``order`` with the places that may be masked; returns their number."""
    count = 0
    for place in range(len(line_ids)):
        order[count] = place
        count += kinds[line_ids[place]] != _NO_TEXT  # no branch: it is faster than a wrong guess
    return count


@kernel
def _choose_places(count, wanted, stream, order, chosen):
    """Marks ``wanted`` random ones of order[:count] in ``chosen``; what `_choose_units` does where all units are one token."""
    for drawn in range(wanted):
        other = drawn + below(stream, count - drawn)
        order[drawn], order[other] = order[other], order[drawn]
        chosen[order[drawn]] = True


@kernel
def _collect(chosen, order):
    """Fills ``order`` with the marked places, ascending, and takes the marks away; returns their number."""
    count = 0
    for place in range(len(chosen)):
        order[count] = place
        count += chosen[place]
        chosen[place] = False
    return count


@kernel
def _find_units(line_ids, kinds, units):
    """Fills ``units`` with the bounds of words as 2 x place + (1 where a word begins); returns their number and the tokens.

    A bound of an even number ends a run of words: no word begins there.
    """
    count, candidates = 0, 0
    is_open = False
    for place in range(len(line_ids)):
        kind = kinds[line_ids[place]]
        if kind == _NO_TEXT:
            if is_open:
                units[count] = 2 * place
                count += 1
            is_open = False
        else:
            if not is_open or kind != _INSIDE:
                units[count] = 2 * place + 1
                count += 1
            is_open = True
            candidates += 1
    if is_open:
        units[count] = 2 * len(line_ids)
        count += 1
    return count, candidates


@kernel
def _choose_units(units, count, wanted, max_ngram_size, stream, order, chosen):
    """Marks up to ``wanted`` places in ``chosen``: runs of words from random ones on, until there are enough."""
    begins = 0
    for unit in range(count):
        if units[unit] % 2 == 1:
            order[begins] = unit
            begins += 1
    left, drawn = wanted, 0
    while left > 0 and drawn < begins:
        other = drawn + below(stream, begins - drawn)
        order[drawn], order[other] = order[other], order[drawn]
        unit = order[drawn]
        drawn += 1
        words = 1 if max_ngram_size == 1 else _run_of_words(units, unit, max_ngram_size, stream)
        start = units[unit] // 2
        while words > 1 and units[unit + words] // 2 - start > left:
            words -= 1
        stop = units[unit + words] // 2
        if stop - start <= left and not _any(chosen, start, stop):
            chosen[start:stop] = True
            left -= stop - start


@kernel
def _any(chosen, start, stop):
    found = False
    for place in range(start, stop):
        found |= chosen[place]
    return found


@kernel
def _run_of_words(units, unit, max_ngram_size, stream):
    """How many words from ``unit`` on: n with a chance of 1/n, of those that follow without a break."""
    most, weight = 1, 1.0
    while most < max_ngram_size and units[unit + most] % 2 == 1:
        most += 1
        weight += 1.0 / most
    drawn = uniform(stream) * weight
    words = 1
    while words < most and drawn >= 1.0 / words:
        drawn -= 1.0 / words
        words += 1
    return words


@kernel
def _replacement(token, mask_id, ordinary_ids, stream):
    if uniform(stream) < 0.8:
        return np.int32(mask_id)
    if uniform(stream) < 0.5:
        return token
    return ordinary_ids[below(stream, len(ordinary_ids))]
