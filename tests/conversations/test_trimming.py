import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations.reference_pipeline import trimmed
from threadmill.conversations.trimming import trim, trim_all

texts = st.text(st.sampled_from("aé1²½漢 .,_-\n😀\u0301") | st.characters(exclude_categories=("Cs",)), max_size=40)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("ten chars.", "ten chars."),
        ("one two three", "one two "),
        ("one two, three", "one two, "),
        ("seven eleven", "seven "),
        ("four chars!!", "four chars"),
        ("café² is open", "café² is "),
        ("漢字漢字漢字 漢字漢字漢字", "漢字漢字漢字 "),
        ("e\u0301 e\u0301 e\u0301 e\u0301 e\u0301", "e\u0301 e\u0301 e\u0301 e"),  # a combining mark is not alphanumeric
    ],
)
def test_a_long_turn_ends_at_the_last_edge_of_a_word(text: str, expected: str) -> None:
    assert trim(text, 10, hard_cut=False) == expected


@given(texts, st.integers(1, 30))
def test_turns_are_cut_where_the_reference_cuts_them(text: str, max_length: int) -> None:
    assert trim(text, max_length, hard_cut=False) == trimmed(text, max_length)


@given(texts, st.integers(1, 30))
def test_a_hard_cut_changes_only_what_would_be_empty(text: str, max_length: int) -> None:
    soft, hard = trim(text, max_length, hard_cut=False), trim(text, max_length, hard_cut=True)
    assert hard == (soft or text[:max_length])
    assert len(hard) <= max_length
    assert bool(hard) == bool(text)


def test_one_word_over_the_limit_is_emptied_or_cut() -> None:
    word = "x" * 128
    assert trim(word, 127, hard_cut=False) == ""
    assert trim(word, 127, hard_cut=True) == "x" * 127
    assert trim(word[:127], 127, hard_cut=False) == word[:127]


def test_many_texts_are_trimmed_as_one() -> None:
    assert trim_all(["short", "longer text", "unbreakable"], 8, hard_cut=True) == ["short", "longer ", "unbreaka"]
