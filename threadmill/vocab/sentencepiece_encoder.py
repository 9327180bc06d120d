"""Lines of text to the ids of a SentencePiece model, by the library itself: what it adds up along a line cannot be cut."""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sentencepiece import SentencePieceProcessor

from threadmill.errors import IntegrityError

if TYPE_CHECKING:
    from threadmill.vocab.vocabulary import Vocabulary

_BATCH = 4096


class SentencePieceEncoder:
    """Text to ids; threads may encode at once, since the library lets go of the interpreter."""

    def __init__(self, vocabulary: "Vocabulary") -> None:
        try:
            self._processor = SentencePieceProcessor(model_proto=vocabulary.model)
        except RuntimeError as error:
            raise IntegrityError(f"{vocabulary.uri}: spiece.model cannot be read ({error}); make the vocabulary again") from None
        if len(self._processor) != len(vocabulary):
            raise IntegrityError(
                f"{vocabulary.uri}: spiece.model has {len(self._processor)} pieces, but vocab.txt has {len(vocabulary)}; "
                "make the vocabulary again"
            )

    def encode(self, lines: pa.Array) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int64]]:
        """The ids (int32[t]) of lines (large_string[n], no nulls) and the lines' bounds in them (int64[n + 1])."""
        found = [np.zeros(0, np.int32)]
        for start in range(0, len(lines), _BATCH):
            texts = lines[start : start + _BATCH].to_pylist()
            found += self._processor.encode(texts, return_type="numpy", num_threads=1)  # the caller has threads of its own
        return np.concatenate(found), np.cumsum([len(ids) for ids in found], dtype=np.int64)
