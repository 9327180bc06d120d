"""The table of characters that says what normalising does to each: stay, be white space, or go."""

import unicodedata
from collections.abc import Iterator
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from threadmill.corpora.text.config import NormalizationConfig

TABLE_SIZE = 0x20000  # beyond are CJK ideographs, tags and variation selectors, which the kernel tells by their ranges

# The low bits of an entry say what the character is; the high ones are flags.
SPACE, CONTROL, FORMAT, DIACRITIC, TATWEEL, REPLACEMENT, REPEAT = range(1, 8)
KIND_MASK, LETTER, COMPOSES = 7, 64, 128
KINDS = {
    CONTROL: "control_characters",
    FORMAT: "format_characters",
    DIACRITIC: "diacritics",
    TATWEEL: "tatweel",
    REPEAT: "repeated_letters",
}

_TATWEEL, _REPLACEMENT, _BYTE_ORDER_MARK = 0x0640, 0xFFFD, 0xFEFF
# Marks of Arabic that say how a word is read: vowels, doubling and recitation. Not madda and hamza (U+0653 to U+0655), which make
# letters (Unicode 16, blocks Arabic and Arabic Extended-A).
_DIACRITICS = ((0x0610, 0x061A), (0x064B, 0x0652), (0x0656, 0x065F), (0x0670, 0x0670), (0x06D6, 0x06DC), (0x06DF, 0x06E4))
_MORE_DIACRITICS = ((0x06E7, 0x06E8), (0x06EA, 0x06ED), (0x08D3, 0x08E1), (0x08E3, 0x08FF))
_VISIBLE_FORMAT = frozenset([*range(0x0600, 0x0606), 0x06DD, 0x070F, 0x08E2, 0x110BD, 0x110CD])  # signs around numbers


@lru_cache(maxsize=8)
def character_table(config: NormalizationConfig) -> npt.NDArray[np.uint8]:
    """uint8[TABLE_SIZE]: what to do with each code point.

    An entry's kind (``entry & KIND_MASK``) is one of the constants above, or 0 for a character that stays. `LETTER` marks
    those that elongation repeats, `COMPOSES` those that NFC may change, alone or beside another.
    """
    table = _all_kinds().copy()
    kinds = table & KIND_MASK
    for kind, removed in (
        (FORMAT, config.remove_format),
        (DIACRITIC, config.remove_diacritics),
        (TATWEEL, config.remove_tatweel),
    ):
        if not removed:
            table[kinds == kind] &= ~np.uint8(KIND_MASK)
    table.flags.writeable = False
    return table


@lru_cache(maxsize=1)
def _all_kinds() -> npt.NDArray[np.uint8]:
    table = np.zeros(TABLE_SIZE, np.uint8)
    for point in range(TABLE_SIZE):
        table[point] = _entry(chr(point))
    for start, end in (*_DIACRITICS, *_MORE_DIACRITICS):
        table[start : end + 1] = (table[start : end + 1] & ~np.uint8(KIND_MASK)) | DIACRITIC
    table[_TATWEEL], table[_REPLACEMENT], table[_BYTE_ORDER_MARK] = TATWEEL, REPLACEMENT, CONTROL
    table[list(_second_parts())] |= COMPOSES
    return table


def _entry(character: str) -> int:
    category = unicodedata.category(character)
    if character.isspace():
        return SPACE
    if category == "Cc":
        return CONTROL
    if category == "Cf":
        return 0 if ord(character) in _VISIBLE_FORMAT else FORMAT
    entry = LETTER if category.startswith("L") else 0
    stays = unicodedata.combining(character) == 0 and (category == "Cs" or unicodedata.is_normalized("NFC", character))
    return entry if stays else entry | COMPOSES


def _second_parts() -> Iterator[int]:
    """Characters that a letter before them may be composed with: those that stand behind another in a decomposition."""
    for point in range(TABLE_SIZE):
        parts = unicodedata.decomposition(chr(point))
        if parts and not parts.startswith("<"):
            yield from (int(part, 16) for part in parts.split()[1:])
    yield from (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))  # Hangul is composed by rule (Unicode 16, section 3.12)
