"""A block of documents, as the readers of all kinds of corpora give it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class DocumentBlock:
    """D documents of M sentences in all, over U lines.

    Attributes:
        lines: large_string[U], none of them empty or only white space. In conversations each distinct turn is one line.
        sentences: int64[M], the line that each sentence is; in text files simply 0 to M - 1.
        ends: int64[D], where each document's sentences end, ascending; none is empty.
        groups: int64[D], ascending: documents of one thread share a number and are neighbours; in text each document has its
            own. The numbers go on from block to block of a part.
        continues: the first document goes on with the last one of the block before.
    """

    lines: pa.Array
    sentences: Integers
    ends: Integers
    groups: Integers
    continues: bool = False

    def __len__(self) -> int:
        return len(self.ends)
