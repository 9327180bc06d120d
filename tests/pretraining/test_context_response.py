from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.pretraining.documents_of_sentences import CLS, DOCUMENTS, FIRST, PAD, SEP, Sentences, planned, sentences_of_lengths
from threadmill.pretraining.context_response import (
    COLUMNS,
    CONTEXT_CUT,
    KEY,
    RECORD,
    RESPONSE,
    RESPONSE_CUT,
    lay_out_pairs,
    plan_text_pairs,
    plan_turn_pairs,
    record_bounds,
    set_keys,
    whole_records,
)
from threadmill.randomness import stream_key

ROOMS = st.integers(1, 15)


def pairs(sentences: Sentences, context: int, response: int, turns: bool = True) -> list[tuple[list[int], list[int], int, int]]:
    """The context's and the response's ids of each pair, and whether each was cut; each laid out in a record of its own."""
    rows = planned(plan_turn_pairs if turns else plan_text_pairs, sentences, COLUMNS, 2, context, response)
    encoder, decoder = lay_out(sentences, rows, np.arange(len(rows)), context, response + 1)
    found = []
    for row, (ids, segments), (inputs, labels, places) in zip(rows, encoder, decoder, strict=True):
        assert segments[segments > 0].tolist() == [1] * int((ids != PAD).sum())
        assert places[places > 0].tolist() == [1] * int((labels != PAD).sum())
        inputs, labels = inputs[inputs != PAD].tolist(), labels[labels != PAD].tolist()
        assert inputs == [CLS, *labels[:-1]]
        assert labels[-1] == SEP
        found.append((ids[ids != PAD].tolist(), labels[:-1], int(row[CONTEXT_CUT]), int(row[RESPONSE_CUT])))
    return found


def lay_out(sentences: Sentences, rows, records, encoder_length, decoder_length):
    count = int(records[-1]) + 1 if len(records) else 0
    lengths = np.array([encoder_length] * 2 + [decoder_length] * 3)
    values = np.full((count, lengths.sum()), -1, np.int32)
    store = (sentences.ids, sentences.starts, sentences.lengths)
    sizes, columns = np.array([encoder_length, decoder_length]), np.cumsum(lengths) - lengths
    lay_out_pairs(rows, records, *store, CLS, SEP, PAD, sizes, columns, values)
    features = np.split(values, np.cumsum(lengths)[:-1], axis=1)
    return list(zip(*features[:2], strict=True)), list(zip(*features[2:], strict=True))


def text(tokens: list[int]) -> str:
    return "".join("|" if token == SEP else chr(ord("a") + token - FIRST) for token in tokens)


def shown(documents: list[list[int]], context: int, response: int, turns: bool = True) -> list[tuple[str, str, int, int]]:
    return [(text(a), text(b), c, d) for a, b, c, d in pairs(sentences_of_lengths(documents), context, response, turns)]


def test_turns_stand_oldest_first_with_separators_between_and_the_last_is_the_response():
    assert shown([[1, 2, 1, 2], [1, 1]], 9, 5) == [("a|bc|d", "ef", 0, 0), ("g", "h", 0, 0)]


def test_a_long_context_loses_its_oldest_turns_whole():
    assert shown([[3, 2, 2, 1]], 6, 5) == [("de|fg", "h", 1, 0)]
    assert shown([[1, 2, 2, 1]], 5, 5) == [("bc|de", "f", 1, 0)]


def test_a_newest_turn_that_is_too_long_alone_keeps_its_last_tokens():
    assert shown([[2, 6, 1]], 4, 5) == [("efgh", "i", 1, 0)]
    assert shown([[6, 1]], 4, 5) == [("cdef", "g", 1, 0)]


def test_a_long_response_loses_its_end():
    assert shown([[1, 6]], 4, 3) == [("a", "bcd", 0, 1)]


def test_a_document_of_one_turn_has_no_pair():
    assert shown([[3], [2, 1], [1]], 9, 5) == [("de", "f", 0, 0)]
    assert shown([[3], [2, 1], [1]], 9, 5, turns=False) == [("de", "f", 0, 0)]


def test_text_answers_what_stands_before_it():
    assert shown([[2, 1, 2, 3, 1]], 4, 3, turns=False) == [("ab", "cde", 0, 0), ("cde", "fgh", 0, 0), ("fgh", "i", 0, 0)]
    assert shown([[1], [1, 1], [1, 1]], 4, 3, turns=False) == [("b", "c", 0, 0), ("d", "e", 0, 0)]


def test_text_too_long_for_a_side_is_cut():
    assert shown([[6, 1, 5, 1]], 4, 3, turns=False) == [("cdef", "g", 1, 0), ("g", "hij", 0, 1), ("ijkl", "m", 1, 0)]


@given(DOCUMENTS, ROOMS, ROOMS)
def test_a_pair_is_the_newest_turns_that_fit_and_the_beginning_of_the_response(documents, context, response):
    sentences = sentences_of_lengths(documents, scattered=True)
    wanted, token = [], FIRST
    for document in documents:
        turns = []
        for size in document:
            turns.append(list(range(token, token + size)))
            token += size
        if len(turns) < 2:
            continue
        kept = turns[-2][-context:]
        whole = len(kept) == len(turns[-2])
        for place in range(len(turns) - 3, -1, -1):
            if len(kept) + 1 + len(turns[place]) > context:
                whole = False
                break
            kept = [*turns[place], SEP, *kept]
        wanted.append((kept, turns[-1][:response], int(not whole), int(len(turns[-1]) > response)))
    assert pairs(sentences, context, response) == wanted


@given(DOCUMENTS, ROOMS, ROOMS)
def test_each_sentence_of_text_but_the_first_is_in_one_response(documents, context, response):
    sentences = sentences_of_lengths(documents)
    made = pairs(sentences, context, response, turns=False)
    wanted, token = [], FIRST
    for document in documents:
        for place, size in enumerate(document):
            wanted += range(token, token + min(size, response)) if place else []
            token += size
    assert [token for _, tokens, _, _ in made for token in tokens] == wanted
    for before, after, _, _ in made:
        assert 0 < len(before) <= context
        assert len(after) <= response
        assert before[-1] == after[0] - 1  # the context ends where the response begins
        assert len({sentences.document_of[token] for token in (*before, *after)}) == 1


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=12), st.randoms())
def test_pairs_of_a_record_stand_side_by_side_under_their_numbers(sizes, random):
    sentences = sentences_of_lengths([list(size) for size in sizes])
    rows = planned(plan_turn_pairs, sentences, COLUMNS, 2, 5, 5)
    records = np.sort([random.randrange(3) for _ in rows])
    records = np.unique(records, return_inverse=True)[1]
    encoder, decoder = lay_out(sentences, rows, records, 70, 80)
    for record, ((ids, segments), (inputs, labels, places)) in enumerate(zip(encoder, decoder, strict=True)):
        here = [pair for pair, place in enumerate(records) if place == record]
        for number, pair in enumerate(here, 1):
            start = FIRST + sum(map(sum, sizes[:pair]))
            context, response = sizes[pair]
            assert ids[segments == number].tolist() == list(range(start, start + context))
            answer = list(range(start + context, start + context + response))
            assert inputs[places == number].tolist() == [CLS, *answer]
            assert labels[places == number].tolist() == [*answer, SEP]
        assert segments.max() == places.max() == len(here)
        assert np.flatnonzero(segments).tolist() == list(range(int((segments > 0).sum())))
        assert (ids[segments == 0] == PAD).all()
        assert (inputs[places == 0] == PAD).all()


def test_keys_keep_the_pairs_of_a_record_together():
    rows = np.zeros((7, COLUMNS), np.int64)
    rows[:, RECORD] = [5, 6, 5, 7, 6, 5, 9]
    set_keys(rows, stream_key("test"), 5, 5)
    order = np.argsort(rows[:, KEY].astype(np.uint64))
    bounds = record_bounds(rows[order])
    groups = [order[start:end].tolist() for start, end in pairwise(bounds)]
    assert sorted(groups) == [[0, 2, 5], [1, 4], [3], [6]]
    again = rows.copy()
    set_keys(again, stream_key("other"), 5, 5)
    assert not set(again[:, KEY].tolist()) & set(rows[:, KEY].tolist())


def test_no_rows_are_no_records():
    assert record_bounds(np.zeros((0, COLUMNS), np.int64)).tolist() == [0]


def test_records_whose_keys_share_their_high_bits_stay_whole():
    """Each row as (high bits, slot, record, response); the rows come in the order of their keys."""
    made = [(1, 0, 0, 5), (2, 0, 7, 50), (2, 0, 3, 90), (2, 1, 7, 51), (2, 1, 3, 91), (9, 0, 4, 1)]
    rows = np.zeros((len(made), COLUMNS), np.int64)
    for row, (high, slot, record, response) in zip(rows, made, strict=True):
        row[KEY], row[RECORD], row[RESPONSE] = high << 12 | slot, record, response
    whole = whole_records(rows)
    assert whole[:, RESPONSE].tolist() == [5, 50, 51, 90, 91, 1]
    assert record_bounds(whole).tolist() == [0, 1, 3, 5, 6]
