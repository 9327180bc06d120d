"""What readers give and the stage writes: documents of lines, before and after they are normalised."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DeadLetter:
    """A line or row that holds no text that can be read: its number, from 1, why, and how it begins."""

    line: int
    reason: str
    detail: str
    text: str


@dataclass(frozen=True)
class Texts:
    """D documents of N lines in all, as a source has them.

    Attributes:
        lines: large_string[N]; blank ones are no sentences.
        ends: int64[D], where each document's lines end, ascending; a document may be without a line.
        rows: lines (or rows, of tables) that were read.
        letters: those of them that could not be read.
        single: bool[N], lines that are one sentence whatever they hold; None where all are.
        continues: the first document goes on with the last one of the block before, if that is open.
        is_open: the last document may go on in the next block.
        split: the split that they are of; "" where their hash decides.
        cut_lines: lines that were over the limit, and cut.
    """

    lines: pa.Array
    ends: Integers
    rows: int
    letters: tuple[DeadLetter, ...] = ()
    single: npt.NDArray[np.bool_] | None = None
    continues: bool = False
    is_open: bool = False
    split: str = ""
    cut_lines: int = 0


@dataclass(frozen=True)
class Prepared:
    """D documents of N normalised lines in all, ready to be written.

    Attributes:
        data: uint8, the lines, each with its newline.
        line_ends: int64[N], in ``data``.
        hashes, characters, words: of the lines: uint64[N] and int64[N].
        ends: int64[D], where each document's lines end.
        counts: what normalising removed, by name.
        rows, letters, continues, is_open, split: as in `Texts`.
    """

    data: npt.NDArray[np.uint8]
    line_ends: Integers
    hashes: npt.NDArray[np.uint64]
    characters: Integers
    words: Integers
    ends: Integers
    rows: int
    letters: tuple[DeadLetter, ...] = ()
    continues: bool = False
    is_open: bool = False
    split: str = ""
    counts: dict[str, int] = field(default_factory=dict)
