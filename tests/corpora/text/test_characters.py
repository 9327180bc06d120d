import unicodedata

import numpy as np

from threadmill.corpora.text.characters import COMPOSES, SPACE, TABLE_SIZE, character_table
from threadmill.corpora.text.config import NormalizationConfig

TABLE = character_table(NormalizationConfig())


def test_every_pair_that_nfc_changes_is_marked() -> None:
    """Whatever NFC composes has a marked part: all canonical decompositions, and the characters that NFC replaces."""
    for point in range(TABLE_SIZE):
        character = chr(point)
        if 0xD800 <= point < 0xE000 or character.isspace():  # surrogates are in no text, white space becomes blanks
            continue
        decomposed = unicodedata.normalize("NFD", character)
        if len(decomposed) > 1 and unicodedata.normalize("NFC", decomposed) == character:
            assert any(TABLE[ord(part)] & COMPOSES for part in decomposed[1:] if ord(part) < TABLE_SIZE), hex(point)
        if unicodedata.normalize("NFC", character) != character:
            assert TABLE[point] & COMPOSES, hex(point)


def test_white_space_is_what_python_takes_for_it() -> None:
    spaces = set(np.flatnonzero((TABLE & 7) == SPACE).tolist())
    assert spaces == {point for point in range(TABLE_SIZE) if chr(point).isspace()}
