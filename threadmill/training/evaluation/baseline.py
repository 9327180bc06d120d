"""The unigram baseline: what a model scores that knows how often each token is to be told, and no context."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class UnigramScore:
    """The baseline's mean cross-entropy (nats a token) and its accuracy on held-out tokens."""

    loss: float
    accuracy: float


def count_tokens(ids: npt.NDArray[np.integer], weights: npt.NDArray[np.floating], vocabulary_size: int) -> Counts:
    """int64[V]: how often each token stands in ``ids`` where ``weights`` (of the same shape) is above 0."""
    counts: Counts = np.bincount(ids[weights > 0].ravel(), minlength=vocabulary_size).astype(np.int64)
    return counts


def unigram_log_probability(counts: Counts) -> npt.NDArray[np.float64]:
    """float64[V]: log p(w) with add-one smoothing, p(w) = (n(w) + 1) / (N + V)."""
    logarithms: npt.NDArray[np.float64] = np.log(counts + 1.0) - np.log(float(counts.sum()) + len(counts))
    return logarithms


def unigram_score(train: Counts, held_out: Counts) -> UnigramScore:
    """Scores held-out tokens under the train tokens' distribution, see `unigram_log_probability`.

    Args:
        train, held_out: int64[V], how often each token is to be told; ``held_out`` must hold at least one.
    """
    total = int(held_out.sum())
    return UnigramScore(
        loss=float(-(held_out * unigram_log_probability(train)).sum() / total),
        accuracy=float(held_out[int(np.argmax(train))] / total),
    )
