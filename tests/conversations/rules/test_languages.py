from collections.abc import Iterator

import pytest

from tests.conversations.rules.frames import breaks, broken_rules, comments
from threadmill.conversations.rules import languages
from threadmill.errors import ConfigError


@pytest.fixture(autouse=True)
def few_languages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The models of all take ten seconds to load."""
    monkeypatch.setattr(languages, "_COMMON", "de en es fr ja")
    languages._detector.cache_clear()
    yield
    languages._detector.cache_clear()


GERMAN = "das ist doch überhaupt kein Problem, oder was meinst du dazu?"


@pytest.mark.parametrize(
    "body", ["what a lovely day it is today, is it not?", "lol ok", "thanks", "", "https://imgur.com/abc", "12 :)"]
)
def test_english_and_texts_of_no_clear_language_pass(body: str) -> None:
    assert not breaks("language", body, languages="en")


@pytest.mark.parametrize(
    "body",
    [
        GERMAN,
        "Je ne sais pas pourquoi il a fait cela hier soir",
        "No entiendo por qué todo el mundo dice eso, a mí me parece muy bien",
    ],
)
def test_texts_surely_in_another_language_do_not(body: str) -> None:
    assert breaks("language", body, languages="en")
    assert not breaks("language", body)


def test_several_languages_can_be_wanted() -> None:
    assert not breaks("language", GERMAN, languages="EN, de")


def test_the_language_is_asked_only_of_comments_without_other_faults_than_length() -> None:
    frame = comments({"body": GERMAN}, {"body": GERMAN, "score": -5}, {"body": GERMAN * 9})
    assert broken_rules(frame, languages="en", min_score=0, max_length=100) == [["language"], ["score"], ["too_long", "language"]]


def test_a_language_that_is_not_known_is_told() -> None:
    with pytest.raises(ConfigError, match="languages names 'xx'; use some of"):
        breaks("language", "text", languages="en,xx")
