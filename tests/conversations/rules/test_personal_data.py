import polars as pl
import pytest

from tests.conversations.rules.frames import breaks, comments
from threadmill.conversations.config import ConversationsConfig
from threadmill.conversations.rules import prepare
from threadmill.conversations.rules.personal_data import masked

PERSONAL = {
    "call me at (212) 555-0123 ok": "call me at [PHONE] ok",
    "(212)555-0123": "[PHONE]",
    "212-555-0123": "[PHONE]",
    "212.555.0123!": "[PHONE]!",
    "+1 212 555 0123": "[PHONE]",
    "reach +1-212-555-0123, thanks": "reach [PHONE], thanks",
    "the line is 1-800-273-8255.": "the line is [PHONE].",
    "1 (800) 273-8255": "[PHONE]",
    "my number:+44 20 7946 0958.": "my number:[PHONE].",
    "+49 (0)30 1234567 in Berlin": "[PHONE] in Berlin",
    "+33 1 23 45 67 89": "[PHONE]",
    "+4915112345678": "[PHONE]",
    "212-555-0123 646-555-0199 or 718-555-0145, bye": "[PHONE] [PHONE] or [PHONE], bye",
    "john.doe@example.com": "[EMAIL]",
    "mail JOHN+x@sub.Example.co.uk.": "mail [EMAIL].",
    "write _me@example.com_, *or* __me_too@example.com__": "write [EMAIL], *or* [EMAIL]",
    "<a@b.io> or\nc_d@e-f.org": "<[EMAIL]> or\n[EMAIL]",
    "é me@example.com 212-555-0123 漢": "é [EMAIL] [PHONE] 漢",
}
IMPERSONAL = [
    "2015-05-12 12:30",
    "12.05.2015",
    "2014-2015-2016",
    "from 1999 to 2001",
    "12:34:56",
    "$1,234.5678",
    "$212-555-0123",
    "1430478703",
    "2125550123",
    "t1_cqv1hxf",
    "192.168.100.1234",
    "192.168.1.1",
    "v2.10.333.4444",
    "555-1234",
    "123-45-6789",
    "978-0-306-40615-7",
    "4111-1111-1111-1111",
    "212-555-01234",
    "1234-567-8901",
    "1.212.555.0123.4",
    "400 800 1600 meters",
    "score 100-200-3000",
    "+5 for you",
    "+100",
    "+1000000 internets",
    "+10 +20 +30 dexterity",
    "add +12 34 attack",
    "3.14159265358979",
    "http://x.example/212-555-0123",
    "x=212-555-0123",
    "@someone hi",
    "me@home",
    "a@b",
    "f(x)@g(x).com",
    "1,000,000 / 2,000,000",
]


@pytest.mark.parametrize(("text", "expected"), PERSONAL.items())
def test_addresses_and_numbers_are_masked(text: str, expected: str) -> None:
    assert masked(pl.Series([text])).to_list() == [expected]


@pytest.mark.parametrize("text", IMPERSONAL)
def test_dates_prices_and_ids_are_left_alone(text: str) -> None:
    assert masked(pl.Series([text])).to_list() == [text]
    assert not breaks("personal_data", text, personal_data="drop")


def test_comments_with_them_can_be_dropped() -> None:
    assert all(breaks("personal_data", text, personal_data="drop") for text in PERSONAL)


def test_nothing_is_done_unless_asked() -> None:
    frame = comments(*({"body": text} for text in PERSONAL))
    prepared = prepare(frame, ConversationsConfig())
    assert prepared["body"].to_list() == list(PERSONAL)


def test_only_the_texts_concerned_change_and_missing_ones_stay_missing() -> None:
    body = pl.Series(["plain", None, "a@example.com", "plain too"])
    assert masked(body).to_list() == ["plain", None, "[EMAIL]", "plain too"]
