import re

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conversations.rules.frames import breaks
from threadmill.conversations.rules.words import LONGEST_WORD, REPEATS, TOKENS, WORDS, measured

texts = st.text(st.sampled_from("aAb1 \n\t.,'é漢😀-"), max_size=30)


def expected(text: str) -> tuple[int, int, int, bool]:
    words = re.findall(r"[^ \t\n\r\v\f]+", text)
    tokens = re.findall(r"(?:[A-Za-z]|[^\x00-\x7f])+|[0-9]+|[^A-Za-z0-9 \t\n\r\v\f\x80-\U0010ffff]+", text)
    folded = [re.sub(r"[^a-z0-9\x80-\U0010ffff]", "", re.sub("[A-Z]", lambda m: m[0].lower(), word)) for word in words]
    repeats = any(
        all(phrase) and phrase == folded[start + size : start + 2 * size] == folded[start + 2 * size : start + 3 * size]
        for size in range(1, 9)
        for start in range(len(folded))
        if len(phrase := folded[start : start + size]) == size
    )
    return len(words), len(tokens), max(map(len, words), default=0), repeats


@given(st.lists(texts, max_size=5))
def test_the_measures_are_those_of_plain_python(bodies: list[str]) -> None:
    frame = pl.DataFrame(measured(pl.Series(bodies, dtype=pl.String)))
    assert frame.columns == [WORDS, TOKENS, LONGEST_WORD, REPEATS]
    assert frame.rows() == [expected(body) for body in bodies]


@pytest.mark.parametrize(
    ("body", "repeated"),
    [
        ("no no no", True),
        ("No, no, NO!", True),
        ("no no", False),
        ("no no yes no", False),
        ("you can do it you can do it you can do it", True),
        ("you can do it you can do it you can not", False),
        ("a b c d e f g h a b c d e f g h a b c d e f g h", True),
        ("- - - - -", False),
        ("so ... ... ... far", False),
        ("1 1 1", True),
    ],
)
def test_a_word_or_phrase_said_three_times_in_a_row_is_a_repeat(body: str, repeated: bool) -> None:
    assert breaks("repeats", body, drop_repeats=True) is repeated


@pytest.mark.parametrize(
    ("rule", "setting", "body", "limit"),
    [
        ("too_few_words", "min_words", "one  two", 3),
        ("too_many_words", "max_words", "one two\nthree", 2),
        ("too_many_tokens", "max_tokens", "don't!! 20km", 5),
        ("long_word", "max_word_length", "the élite goes", 4),
    ],
)
def test_each_limit_has_its_rule(rule: str, setting: str, body: str, limit: int) -> None:
    beyond = 1 if setting.startswith("max") else -1
    assert breaks(rule, body, **{setting: limit})
    assert not breaks(rule, body, **{setting: limit + beyond})


def test_a_long_text_without_a_space_breaks_a_rule_of_its_own() -> None:
    assert breaks("unspaced", "x" * 21, max_unspaced_length=20)
    assert not breaks("unspaced", "x" * 20, max_unspaced_length=20)
    assert not breaks("unspaced", "x" * 20 + " x", max_unspaced_length=20)
