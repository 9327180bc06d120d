"""Byte strings that lines are made of, escaped for JSON once and then copied."""

import html
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import orjson

# Letters that are spoken with a vowel first, so that the word takes "an"; and the vowels that are not spoken as such.
_SPOKEN_VOWELS = ("a", "e", "i", "o", "u", "hour", "honest")
_SPOKEN_CONSONANTS = ("uni", "use", "eu", "one")


class Pieces(NamedTuple):
    """A table of byte strings, for compiled loops.

    Attributes:
        pool: uint8[n], all strings end to end.
        span: int64[pieces, 2], where each begins in the pool, and how many bytes it has.
        takes_an: bool[pieces], whether the article before it is "an".
    """

    pool: npt.NDArray[np.uint8]
    span: npt.NDArray[np.int64]
    takes_an: npt.NDArray[np.bool_]


class PieceTable:
    """Collects strings and gives each a number."""

    def __init__(self) -> None:
        self._strings: list[tuple[str, bool]] = []

    def __len__(self) -> int:
        return len(self._strings)

    def add_text(self, text: str) -> int:
        """The number of a text as people type it; in the dumps it has HTML entities and JSON escapes."""
        return self._add(html.escape(text, quote=False), raw=False)

    def add_json(self, json: str) -> int:
        """The number of a string that is JSON as it stands."""
        return self._add(json, raw=True)

    def pieces(self, *, ascii_only: bool) -> Pieces:
        """The table, with other letters than ASCII as \\u escapes or as UTF-8."""
        encoded = [string.encode() if raw else _escape(string, ascii_only) for string, raw in self._strings]
        length = np.array([len(string) for string in encoded], np.int64)
        return Pieces(
            pool=np.frombuffer(b"".join(encoded), np.uint8),
            span=np.stack([np.cumsum(length) - length, length], axis=1),
            takes_an=np.array([not raw and _takes_an(string) for string, raw in self._strings], np.bool_),
        )

    def _add(self, string: str, *, raw: bool) -> int:
        self._strings.append((string, raw))
        return len(self._strings) - 1


def _escape(text: str, ascii_only: bool) -> bytes:
    escaped = orjson.dumps(text)[1:-1]
    if not ascii_only or escaped.isascii():
        return escaped
    units = "".join(c if c.isascii() else _utf16_escape(c) for c in escaped.decode())
    return units.encode()


def _utf16_escape(character: str) -> str:
    code = character.encode("utf-16-be").hex()
    return "".join(f"\\u{code[i : i + 4]}" for i in range(0, len(code), 4))


def _takes_an(text: str) -> bool:
    spoken = text.lower()
    return spoken.startswith(_SPOKEN_VOWELS) and not spoken.startswith(_SPOKEN_CONSONANTS)
