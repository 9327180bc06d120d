from hypothesis import given
from hypothesis import strategies as st

from threadmill.vocab.config import SPECIAL_TOKENS
from threadmill.vocab.conversion import bert_tokens, smallest_size

ALPHABET = ["a", "b", "é", "،"]


def test_pieces_of_word_starts_are_bare_and_the_others_go_on():
    tokens = bert_tokens(["▁ab", "ba"], ALPHABET, 100)
    assert tokens[-2:] == ["ab", "##ba"]


def test_every_character_is_there_bare_and_as_a_continuation():
    tokens = bert_tokens(["▁a", "b"], ALPHABET, 100)
    assert set(ALPHABET) | {f"##{letter}" for letter in ALPHABET} <= set(tokens)


def test_the_bare_mark_of_a_word_start_becomes_no_blank_line():
    assert "" not in bert_tokens(["▁", "▁ab"], ALPHABET, 100)


def test_the_vocabulary_is_filled_to_its_size_by_the_best_pieces():
    size = smallest_size(ALPHABET) + 1
    assert bert_tokens(["▁", "▁a", "b", "▁ab", "ba"], ALPHABET, size)[-1] == "ab"
    assert len(bert_tokens(["▁", "▁a", "b", "▁ab", "ba"], ALPHABET, size)) == size


@given(st.lists(st.text("▁ab#é", min_size=1)), st.integers(13, 30))
def test_tokens_are_distinct_and_special_ones_first(pieces, size):
    tokens = bert_tokens(pieces, ALPHABET, size)
    assert tuple(tokens[:5]) == SPECIAL_TOKENS
    assert len(tokens) == len(set(tokens)) <= size
    assert all(tokens)
