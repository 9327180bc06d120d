import html
import json

from hypothesis import given
from hypothesis import strategies as st

from threadmill.corpora.sample.pieces import Pieces, PieceTable

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"])))


def piece(pieces: Pieces, number: int) -> bytes:
    start, length = pieces.span[number]
    return bytes(pieces.pool[start : start + length])


@given(TEXTS, st.booleans())
def test_texts_come_back_from_json_and_html(texts: list[str], ascii_only: bool) -> None:
    table = PieceTable()
    numbers = [table.add_text(text) for text in texts]
    pieces = table.pieces(ascii_only=ascii_only)
    for text, number in zip(texts, numbers, strict=True):
        encoded = piece(pieces, number)
        assert encoded.isascii() or not ascii_only
        assert json.loads(b'"' + encoded + b'"') == html.escape(text, quote=False)


def test_json_is_kept_as_it_is() -> None:
    table = PieceTable()
    number = table.add_json('{"a":"<&')
    assert piece(table.pieces(ascii_only=True), number) == b'{"a":"<&'


def test_article_follows_the_sound() -> None:
    table = PieceTable()
    words = {"engineer": True, "nurse": False, "hour": True, "university": False, "umbrella": True, "one": False, "Owl": True}
    numbers = [table.add_text(word) for word in words]
    assert [bool(table.pieces(ascii_only=True).takes_an[number]) for number in numbers] == list(words.values())
