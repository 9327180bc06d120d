"""Sequences packed into one row, told apart by segment ids: who may attend to whom, and each token's place in its own.

Made of Keras's operations alone, so that a saved model loads with Keras and KerasHub, without Threadmill.
"""

from typing import Any

from keras import ops


def same_segment(queries: Any, keys: Any) -> Any:
    """bool[B, Q, K]: both tokens are of one packed sequence. Padding (segment 0) is one too, so that none attends to nothing.

    Args:
        queries, keys: int32[B, Q] and int32[B, K], the segment ids.
    """
    return ops.equal(ops.expand_dims(queries, 2), ops.expand_dims(keys, 1))


def source_segment(queries: Any, keys: Any) -> Any:
    """bool[B, Q, K]: as `same_segment`, but padding among the queries attends to all keys, for these may have none."""
    return ops.logical_or(same_segment(queries, keys), ops.expand_dims(ops.equal(queries, 0), 2))


def positions(segments: Any) -> Any:
    """int32[B, S]: the number of each token in its segment, from 0.

    Args:
        segments: int32[B, S]; the tokens of a segment stand together.
    """
    places = ops.subtract(ops.cumsum(ops.ones_like(segments), axis=1), 1)
    before = ops.greater(ops.expand_dims(places, 2), ops.expand_dims(places, 1))
    return ops.sum(ops.cast(ops.logical_and(before, same_segment(segments, segments)), "int32"), axis=2)
