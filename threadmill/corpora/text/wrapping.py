"""Text whose lines are wrapped to a width: which texts are, and where their paragraphs end."""

import numpy as np
import numpy.typing as npt
import polars as pl

from threadmill.corpora.text.texts import Integers

_WIDTHS = range(40, 121)  # characters, to which people wrap
_NEAR_WIDTH, _MOST_NEAR = 0.85, 0.4  # wrapped is text of which so many lines are so near to the width,
_MOST_ENDED = 0.6  # and not many more than these end with a sentence
_END_OF_SENTENCE = (*".!?…؟۔。\"'”’»",)
_ROOM = 0.9  # of the width: a line that had room for the next word, and left it, is a paragraph's last


def wrap_width(text: str) -> int:
    """The width to which the text's lines are wrapped, in characters; 0 where they are not: then each line is a paragraph."""
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    if len(lines) < 2 or sum(line.endswith(_END_OF_SENTENCE) for line in lines) > _MOST_ENDED * len(lines):
        return 0
    lengths = np.array(list(map(len, lines)))
    width = int(np.percentile(lengths, 95))
    near = (lengths >= _NEAR_WIDTH * width).mean()
    return width if width in _WIDTHS and near >= _MOST_NEAR else 0


def paragraph_ends(lines: pl.Series, lengths: Integers, width: int) -> npt.NDArray[np.bool_]:
    """bool[n]: lines that end a paragraph: before and after a blank one, and where the next word would have found room.

    Not before a small letter, with which no paragraph begins.
    """
    if not len(lines):
        return np.zeros(0, np.bool_)
    words = lines.str.extract(r"^(\S+)").str.len_chars().fill_null(0).to_numpy().astype(np.int64)
    small = lines.str.contains(r"^\p{Ll}").to_numpy()
    ends = np.ones(len(lines), np.bool_)
    had_room = (lengths[:-1] + 1 + words[1:] <= _ROOM * width) & ~small[1:]
    ends[:-1] = had_room | (lengths[:-1] == 0) | (lengths[1:] == 0)
    return ends
