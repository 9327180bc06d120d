from collections import Counter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from threadmill.vocab import word_counts
from threadmill.vocab.word_counts import count_words, frequent_characters

WORDS = st.lists(st.text("abé🙂 ", max_size=8), max_size=20)


@given(WORDS, WORDS)
def test_words_are_counted_over_all_chunks_the_most_frequent_first(first, second):
    lines = pa.chunked_array([first, second], pa.large_string())
    words = count_words(lines, lambda chunk: [chunk])
    assert dict(words) == Counter(" ".join(first + second).split())
    assert words == sorted(words, key=lambda item: (-item[1], item[0]))


def test_counts_are_the_same_when_they_are_put_together_underway(monkeypatch):
    lines = pa.array([f"x{number % 7} y" for number in range(100)], pa.large_string())
    expected = count_words(lines, lambda chunk: [chunk])
    monkeypatch.setattr(word_counts, "_BATCH_LINES", 5)
    monkeypatch.setattr(word_counts, "_MAX_HELD", 3)
    assert count_words(lines, lambda chunk: [chunk]) == expected


def test_one_stretch_between_white_space_may_be_several_words():
    assert count_words(pa.array(["a,b a,b"], pa.large_string()), lambda chunk: chunk.split(",")) == [("a", 2), ("b", 2)]


def test_the_alphabet_keeps_the_most_frequent_characters_and_of_equal_ones_the_first():
    assert frequent_characters([("dd", 2), ("cb", 2), ("🙂a", 1)], 2) == ["b", "d"]
    assert frequent_characters([("🙂a", 1)], 10) == ["a", "🙂"]
