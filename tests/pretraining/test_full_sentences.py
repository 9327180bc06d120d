from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.pretraining.documents_of_sentences import CLS, DOCUMENTS, FIRST, PAD, SEP, Sentences, planned, sentences_of_lengths
from threadmill.pretraining.full_sentences import COLUMNS, KEY, lay_out_full_sentences, plan_full_sentences
from threadmill.randomness import stream_key

LENGTHS = st.integers(3, 20)


def instances(sentences: Sentences, length: int, across: bool) -> list[list[int]]:
    rows = planned(plan_full_sentences, sentences, COLUMNS, 3, 0, stream_key("test"), length, across)
    assert len(set(rows[:, KEY].tolist())) == len(rows)
    values = np.full((len(rows), 3 * length), -1, np.int32)  # ids, mask, and another feature
    store = (sentences.ids, sentences.starts, sentences.lengths, sentences.ends)
    lay_out_full_sentences(rows, *store, CLS, SEP, PAD, length, np.array([0, length]), values)
    input_ids, input_mask, other = np.split(values, 3, axis=1)
    assert ((input_ids != PAD) == (input_mask == 1)).all()
    assert set(input_mask.flat) <= {0, 1}
    assert not other.any()
    return [row[mask == 1].tolist() for row, mask in zip(input_ids, input_mask, strict=True)]


def letters(instance: list[int]) -> str:
    """[ for the first special token, | for a separator, a letter for the t-th token."""
    return "".join({CLS: "[", SEP: "|"}.get(token) or chr(ord("a") + token - FIRST) for token in instance)


def shown(documents: list[list[int]], length: int, across: bool = True) -> list[str]:
    return [letters(instance) for instance in instances(sentences_of_lengths(documents), length, across)]


def test_whole_sentences_are_packed_as_long_as_they_fit():
    assert shown([[3, 2, 3, 1]], 8) == ["[abcde|", "[fghi|"]


def test_documents_follow_one_another_behind_an_extra_separator():
    assert shown([[2], [2], [3]], 8) == ["[ab|cd|", "[efg|"]
    assert shown([[2], [3], [3]], 8) == ["[ab|cde|", "[fgh|"]
    assert shown([[2], [4]], 8) == ["[ab|", "[cdef|"]  # it would fit but for the separator


def test_doc_sentences_end_with_their_document():
    assert shown([[2, 1], [2], [3, 4]], 8, across=False) == ["[abc|", "[de|", "[fgh|", "[ijkl|"]


def test_a_sentence_longer_than_the_room_is_cut_and_fills_what_is_left():
    assert shown([[2, 11, 3], [1]], 8) == ["[abcdef|", "[ghijkl|", "[m" + "nop" + "|q|"]


@given(DOCUMENTS, LENGTHS, st.booleans(), st.booleans())
def test_every_token_is_in_exactly_one_instance_in_order(documents, length, across, scattered):
    sentences = sentences_of_lengths(documents, scattered=scattered)
    tokens = [token for instance in instances(sentences, length, across) for token in instance if token >= FIRST]
    assert tokens == sentences.tokens


@given(DOCUMENTS, LENGTHS, st.booleans())
def test_special_tokens_stand_where_they_belong(documents, length, across):
    sentences = sentences_of_lengths(documents)
    for instance in instances(sentences, length, across):
        assert len(instance) <= length
        assert instance[0] == CLS
        assert instance[-1] == SEP
        assert CLS not in instance[1:]
        tokens = instance[1:-1]
        document = [sentences.document_of.get(token) for token in tokens]
        for left, separator, right in zip(document, tokens[1:], document[2:], strict=False):
            assert (separator != SEP) or (left is not None and right is not None and left < right)
        assert tokens
        assert SEP not in (tokens[0], tokens[-1])
        assert tokens.count(SEP) == len(set(document) - {None}) - 1
        assert across or SEP not in tokens


@given(DOCUMENTS, LENGTHS, st.booleans())
def test_only_sentences_too_long_are_cut_and_an_instance_ends_only_where_the_next_sentence_would_not_fit(
    documents, length, across
):
    sentences = sentences_of_lengths(documents)
    made = instances(sentences, length, across)
    begins = (FIRST + np.cumsum(sentences.lengths) - sentences.lengths).tolist()
    sizes = dict(zip(begins, sentences.lengths.tolist(), strict=True))
    for before, after in pairwise(made):
        first = after[1]
        if first not in sizes:
            sentence = max(start for start in sizes if start < first)
            assert sizes[sentence] > length - 2
            assert len(before) == length
            continue
        left, right = sentences.document_of[before[-2]], sentences.document_of[first]
        if across or left == right:
            assert len(before) + (left != right) + (1 if sizes[first] > length - 2 else sizes[first]) > length
