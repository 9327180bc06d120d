import pytest

from threadmill.errors import InputError
from threadmill.training.generation.lines import parse_context


def test_turns_stand_apart_by_tabs_or_as_json() -> None:
    assert parse_context("Hello, wörld\tHi!\r\n".encode(), "line 1") == ["Hello, wörld", "Hi!"]
    assert parse_context(b'{"context": ["Hello.", "a\\tb"], "response": "x"}\n', "line 1") == ["Hello.", "a\tb"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b"  \t \n", "line 7 is empty; write a context, or leave the line out"),
        (b"abc \xff\n", "line 7: not UTF-8 at byte 5"),
        (b'{"context": ["a"', 'line 7: .*; a line that begins with { is a JSON object such as {"context": '),
        (b'{"turns": ["a"]}', "line 7: no list of texts under the key context"),
        (b'{"context": []}', "line 7: no list of texts under the key context"),
        (b'{"context": "a"}', "line 7: no list of texts under the key context"),
    ],
)
def test_line_that_is_no_context_is_told_with_its_place(line: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        parse_context(line, "line 7")
