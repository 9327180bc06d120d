"""What a search for replies asks of a model: the logits of the next token. Light to import."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

Ids = npt.NDArray[np.int32]
Logits = npt.NDArray[np.floating]


class NextToken(Protocol):
    """A model with what it has read so far, in rows."""

    def __call__(self, parents: npt.NDArray[np.integer], tokens: Ids) -> Logits:
        """float[R, V]: the logits of the token after ``tokens``.

        Args:
            parents: int[R], the row of the call before that each row goes on from; in the first call the context.
            tokens: int32[R], what stands there next.
        """
