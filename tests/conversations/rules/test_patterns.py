import pytest

from tests.conversations.rules.frames import breaks


@pytest.mark.parametrize(
    "body", ["see http://example.com", "HTTPS://EXAMPLE.COM", "[text](https://example.com)", "www.example.com"]
)
def test_a_url_is_found(body: str) -> None:
    assert breaks("url", body, drop_urls=True)
    assert not breaks("url", body)


@pytest.mark.parametrize("body", ["an http error", "www is old", "awww.ok", "example.com"])
def test_what_only_looks_like_one_is_not(body: str) -> None:
    assert not breaks("url", body, drop_urls=True)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("> said he", ["line", "any"]),
        ("well\n  > said he", ["line", "any"]),
        ("&gt; said he", ["line", "any"]),
        ("2 > 1", ["any"]),
        ("2 &gt; 1", ["any"]),
        ("less < more", []),
    ],
)
@pytest.mark.parametrize("unescape_html", [True, False])
def test_a_quote_stands_at_the_start_of_a_line_or_anywhere(body: str, found: list[str], unescape_html: bool) -> None:
    modes = {mode: breaks("quote", body, drop_quotes=mode, unescape_html=unescape_html) for mode in ("no", "line", "any")}
    assert [mode for mode, holds in modes.items() if holds] == found


@pytest.mark.parametrize(("body", "starts"), [("été", True), ("😀 hi", True), ("hi é", False), ("\né", False), ("", False)])
def test_the_first_character_may_be_beyond_ascii(body: str, starts: bool) -> None:
    assert breaks("non_ascii_start", body, drop_non_ascii_start=True) is starts


def test_brackets_are_found() -> None:
    assert [body for body in ("[a", "a]", "(a", "a)", "{a}", "<a>") if breaks("bracket", body, drop_brackets=True)] == [
        "[a",
        "a]",
        "(a",
        "a)",
    ]


@pytest.mark.parametrize(("body", "shouts"), [("STOP IT", False), ("I am ANGRY", True), ("ÄÖÜÄÖÜ", False), ("HELLo", False)])
def test_five_capitals_in_a_row_are_shouting(body: str, shouts: bool) -> None:
    assert breaks("shouting", body, drop_shouting=True) is shouts
