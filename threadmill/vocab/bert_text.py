"""BERT's text rules: how text becomes words before WordPiece, exactly, and as tables that compiled loops read.

The rules are those of google-research/bert, tokenization.py (Devlin et al. 2018), by the Unicode of the running Python: drop
controls, set ideographs apart, lower-case and strip accents if asked, set punctuation apart, split at white space.
"""

import unicodedata
from collections.abc import Callable
from functools import cache
from threading import Lock
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

PAGE = 256  # code points in a table
EXACT = 0  # what a table has for a code point that must be seen with its neighbours

_CAPITAL_SIGMA = "\u03a3"  # of two small letters, it depends on whether it ends a word
_IDEOGRAPHS = (
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF)),
    *((0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0x2F800, 0x2FA1F)),
)


class _Translation(dict[int, str]):
    """A table for str.translate that asks ``rule`` once for each character."""

    def __init__(self, rule: Callable[[str], str]) -> None:
        super().__init__()
        self._rule = rule

    def __missing__(self, point: int) -> str:
        self[point] = text = self._rule(chr(point))
        return text


def _cleaned(letter: str) -> str:
    """The letter, nothing for a control, a space for white space, or an ideograph between spaces."""
    if letter in " \t\n\r":
        return " "
    point, category = ord(letter), unicodedata.category(letter)
    if point == 0xFFFD or category in ("Cc", "Cf"):
        return ""
    if category == "Zs":
        return " "
    return f" {letter} " if any(first <= point <= last for first, last in _IDEOGRAPHS) else letter


def _without_mark(letter: str) -> str:
    return "" if unicodedata.category(letter) == "Mn" else letter


def _set_apart(letter: str) -> str:
    """Punctuation between spaces: all ASCII symbols, which Unicode does not call so throughout, and Unicode's punctuation."""
    if letter.isascii():
        return f" {letter} " if "!" <= letter <= "~" and not letter.isalnum() else letter
    return f" {letter} " if unicodedata.category(letter).startswith("P") else letter


_CLEAN, _UNMARK, _APART = _Translation(_cleaned), _Translation(_without_mark), _Translation(_set_apart)


def split_words(text: str, lowercase: bool) -> list[str]:
    """The words of ``text``, which WordPiece cuts further; `TextRules` is the same for compiled loops."""
    words = text.translate(_CLEAN).split()
    if lowercase:
        words = [unicodedata.normalize("NFD", word.lower()).translate(_UNMARK) for word in words]
    return " ".join(words).translate(_APART).split()


class Tables(NamedTuple):
    """What each code point becomes on its own, as UTF-8 bytes in which a space ends a word.

    Code point c has content[bounds[p, c % PAGE]:bounds[p, c % PAGE + 1]] with p = pages[c // PAGE], if that is not -1; the
    single byte `EXACT` says that only `split_words` of the whole stretch between white space is right.

    Attributes:
        pages: int32[0x1100].
        bounds: int32[p, PAGE + 1].
        content: uint8.
    """

    pages: npt.NDArray[np.int32]
    bounds: npt.NDArray[np.int32]
    content: npt.NDArray[np.uint8]


class TextRules:
    """`split_words` as `Tables`, a page of which is made when a text first has a code point of it."""

    def __init__(self, lowercase: bool) -> None:
        self._lowercase = lowercase
        self._lock = Lock()
        self.tables = Tables(np.full(0x1100, -1, np.int32), np.zeros((0, PAGE + 1), np.int32), np.zeros(0, np.uint8))
        self.add_page(0)

    @classmethod
    @cache
    def of(cls, lowercase: bool) -> "TextRules":
        """The rules that all vocabularies of a process share."""
        return cls(lowercase)

    def add_page(self, page: int) -> None:
        """Makes the tables of the code points from ``PAGE * page`` on, if they are not there; threads may call it at once."""
        with self._lock:
            if self.tables.pages[page] < 0:
                self.tables = self._with_page(page)

    def _with_page(self, page: int) -> Tables:
        texts = [self._alone(chr(point)).encode() for point in range(PAGE * page, PAGE * (page + 1))]
        old = self.tables
        bounds = np.cumsum([len(old.content), *map(len, texts)], dtype=np.int32)
        pages = old.pages.copy()
        pages[page] = len(old.bounds)
        content = np.concatenate([old.content, np.frombuffer(b"".join(texts), np.uint8)])
        return Tables(pages, np.concatenate([old.bounds, bounds[None]]), content)

    def _alone(self, letter: str) -> str:
        if "\ud800" <= letter <= "\udfff":  # no text has them
            return ""
        if self._lowercase and _needs_neighbours(letter):
            return chr(EXACT)
        return " ".join(split_words(f"a{letter}a", self._lowercase))[1:-1]


def _needs_neighbours(letter: str) -> bool:
    """True where lower-casing looks at what stands beside, or NFD may move what is left of it past another mark."""
    if letter == _CAPITAL_SIGMA:
        return True
    marks = filter(unicodedata.combining, unicodedata.normalize("NFD", letter.lower()))
    return any(unicodedata.category(mark) != "Mn" for mark in marks)
