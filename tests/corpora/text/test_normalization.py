import unicodedata
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from threadmill.corpora.text.config import PRESETS, CorpusConfig, NormalizationConfig
from threadmill.corpora.text.normalization import normalize
from threadmill.errors import ConfigError

PLAIN, ARABIC = NormalizationConfig(), PRESETS["arabic"].config
ALL = CorpusConfig(numbers="replace", urls="remove", mentions="replace", emails="replace", max_repeats=1, split_hashtags=True)

# Text that is made of what the rules are about, beside text of anything.
PIECES = st.sampled_from(
    [
        *("http://", "www.", "t.co/", "@", "#", "_", ".", "/", "a", "w", "tt", "12", "é", "e\u0301", "\u0301", "가", "\u11a8"),
        *("ـ", "َ", "الله", "هههه", "٣", "ا", "\u0653", "\u0610", "😂", "👨\u200d👩\u200d👧"),
        *("\u200f", "\ufeff", "\0", "\x85", "\u2028", " ", "\t", "\ufffd"),
    ]
)
TEXTS = st.one_of(
    st.lists(PIECES, max_size=12).map("".join),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n")),
)


def normal(text: str, config: NormalizationConfig = PLAIN) -> str:
    return str(normalize(pa.array([text], pa.large_string()), config)[0].as_py())


@pytest.mark.parametrize("config", [PLAIN, ARABIC, ALL])
@settings(max_examples=60)
@given(texts=st.lists(TEXTS, max_size=5))
@example(texts=["ht\0tp://x.com", "htttp://x.com", "@@you", "&#", "ا\u0610\u0653", "e\u0301" * 3])
def test_normalising_again_changes_nothing(config: NormalizationConfig, texts: list[str]) -> None:
    once = normalize(pa.array(texts, pa.large_string()), config)
    assert normalize(once, config).to_pylist() == once.to_pylist()


@given(text=TEXTS)
def test_a_plain_line_keeps_all_but_control_characters_and_white_space(text: str) -> None:
    kept = "".join(" " if character.isspace() else character for character in text)
    kept = "".join(character for character in kept if unicodedata.category(character) != "Cc" and character != "\ufeff")
    expected = " ".join(kept.split())
    assert unicodedata.normalize("NFD", normal(text)) == unicodedata.normalize("NFD", expected)
    assert unicodedata.is_normalized("NFC", normal(text))


@settings(max_examples=40)
@given(texts=st.lists(TEXTS, min_size=1, max_size=5))
def test_a_line_is_normalised_alike_whatever_lies_beside_it(texts: list[str]) -> None:
    together = normalize(pa.array(texts, pa.large_string()), ARABIC).to_pylist()
    assert together == [normal(text, ARABIC) for text in texts]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("شوووووف http://t.co/abc.", "شووف URL ."),
        ("RT @user_1: مرحبا", "RT USER : مرحبا"),
        ("راسلني me@example.com الآن", "راسلني EMAIL الآن"),
        ("وَالكِتَابُ كَبِيرٌ", "والكتاب كبير"),
        ("جـــميل", "جميل"),
        ("#هاشتاق_جديد اليوم", "هاشتاق جديد اليوم"),
        ("رائع😂😂جدا", "رائع 😂 😂 جدا"),
        ("\u200fأهلا\u200e", "أهلا"),
        ("آمين مَدرَسة على", "آمين مدرسة على"),  # no letter is made another
        ("ا\u0653", "آ"),  # madda makes a letter: it is no vowel sign
        ("لله الله ههههه", "لله الله هه"),
        ("١٠٠٠ 1000 ...", "١٠٠٠ 1000 ..."),
        ("www.example.com, أو HTTPS://Example.com/a?b=1!", "URL , أو URL !"),
        ("بريد: اسم@موقع.شبكة", "بريد: EMAIL"),
        ("#1 و #2nd", "#1 و 2nd"),
    ],
)
def test_tweets_are_normalised_as_qarib_means(text: str, expected: str) -> None:
    assert normal(text, ARABIC) == expected


@pytest.mark.parametrize(
    ("setting", "text", "expected"),
    [
        ({"urls": "remove"}, "see https://a.b/c now", "see now"),
        ({"urls": "replace", "url_token": "LINK"}, "see ftp://a.b/c", "see LINK"),
        ({"mentions": "remove"}, "@a and @b", "and"),
        ({"numbers": "replace"}, "on 12/03/2020 it cost -3.50% of B2B", "on NUM it cost NUM of B2B"),
        ({"numbers": "remove"}, "في ٢٠٢٠ كان", "في كان"),
        ({"max_repeats": 3}, "sooooo 11111 !!!!!", "sooo 11111 !!!!!"),
        ({"remove_format": True}, "soft\u00adhyphen", "softhyphen"),
        ({"space_emoji": True}, "hi🇶🇦🇶🇦©", "hi 🇶🇦 🇶🇦 ©"),
        ({}, "a\u00a0b\u3000c\td\x00e", "a b c de"),
        ({}, "@a #b http://c 😂", "@a #b http://c 😂"),
    ],
)
def test_each_rule_can_be_had_alone(setting: dict[str, object], text: str, expected: str) -> None:
    assert normal(text, NormalizationConfig(**setting)) == expected  # type: ignore[arg-type]


def test_what_goes_is_counted_by_kind_and_what_stays_once() -> None:
    counts: Counter[str] = Counter()
    normalize(pa.array(["a\0\x01b\ufffd", "كَتَبَ", "جـميـل", "لوووول", "\u200fx"], pa.large_string()), ARABIC, counts)
    assert counts == {
        "control_characters": 2,
        "replacement_characters": 1,
        "diacritics": 3,
        "tatweel": 2,
        "repeated_letters": 2,
        "format_characters": 1,
    }


@pytest.mark.parametrize("token", ["[URL]", "", "a b", "x1"])
def test_a_token_that_tokenizers_would_cut_is_refused(token: str) -> None:
    with pytest.raises(ConfigError, match=r"url_token is .*; write letters only, such as URL"):
        NormalizationConfig(url_token=token)
