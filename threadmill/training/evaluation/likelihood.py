"""Log-likelihoods of many responses to each of many contexts, under an encoder-decoder. Imports Keras.

Each context is read once. The decoder then takes pairs of a context and a response in batches of a few fixed shapes, so that
memory is bounded and little is compiled.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from keras import ops

from threadmill.training.backends.compiled import compiled
from threadmill.training.models.encoder_decoder import find_parts

Scores = npt.NDArray[np.float64]
Ids = npt.NDArray[np.int32]
Tokens = Sequence[int]

_LOGITS = 1 << 22  # of a batch, at most: 16 MB, and a few times that while they are worked on
_ROWS = 1024
_SHORTEST = 8
_CONTEXTS = 64  # read together
_NOTHING = -1  # in place of a label where there is none


class ResponseLikelihood:
    """Scores responses to contexts, see `threadmill.training.evaluation.ranking.Likelihood`.

    Args:
        model: an encoder-decoder, see `threadmill.training.models.encoder_decoder`.
        vocabulary_size: its V.
        begin: the token that decoding begins with.
        max_seq_length, max_target_length: tokens of a context, and of a response with its end, at most.
    """

    def __init__(self, model: Any, vocabulary_size: int, begin: int, max_seq_length: int, max_target_length: int) -> None:
        self._vocabulary_size, self._begin = vocabulary_size, begin
        self._max_seq_length, self._max_target_length = max_seq_length, max_target_length
        self._parts = find_parts(model)
        self._read = compiled(self._parts.sources, model.variables)
        self._score = compiled(self._score_pairs, model.variables)

    def __call__(self, contexts: Sequence[Tokens], responses: Sequence[Tokens]) -> Scores:
        """float64[C, R]."""
        found = np.zeros((len(contexts), len(responses)))
        for first in range(0, len(contexts), _CONTEXTS):
            some = contexts[first : first + _CONTEXTS]
            found[first : first + len(some)] = self._score_some(some, responses)
        return found

    def _score_some(self, contexts: Sequence[Tokens], responses: Sequence[Tokens]) -> Scores:
        found = np.zeros((len(contexts), len(responses)))
        tokens = _padded(contexts, _CONTEXTS, self._max_seq_length, 0)
        mask = (np.arange(self._max_seq_length) < np.array([[len(context)] for context in contexts])).astype(np.int32)
        mask = np.pad(mask, ((0, _CONTEXTS - len(contexts)), (0, 0)), constant_values=1)
        sources = self._read(tokens, mask)
        for length, numbers in self._by_length(responses):
            labels = _padded([responses[number] for number in numbers], len(numbers), length, _NOTHING)
            rows = max(1, min(_ROWS, _LOGITS // (length * self._vocabulary_size)))
            pairs = np.indices((len(contexts), len(numbers)), np.int32).reshape(2, -1)
            for start in range(0, pairs.shape[1], rows):
                context, response = pairs[:, start : start + rows]
                whole = np.resize(context, rows), labels[np.resize(response, rows)]  # what is over repeats the first
                scores = np.asarray(ops.convert_to_numpy(self._score(*whole, mask, sources)))
                found[context, np.asarray(numbers)[response]] = scores[: len(context)]
        return found

    def _by_length(self, responses: Sequence[Tokens]) -> Iterator[tuple[int, list[int]]]:
        """Classes of length, and the numbers of the responses in each."""
        shorter, length = 0, _SHORTEST
        while shorter < self._max_target_length:
            length = min(length, self._max_target_length)
            numbers = [number for number, response in enumerate(responses) if shorter < len(response) <= length]
            if numbers:
                yield length, numbers
            shorter, length = length, 2 * length

    def _score_pairs(self, contexts: Any, labels: Any, mask: Any, sources: Any) -> Any:
        """float32[R], of int32[R] contexts and the labels, int32[R, T], of their responses."""
        known = ops.maximum(labels, 0)
        begin = ops.full_like(known[:, :1], self._begin)
        tokens = ops.concatenate([begin, known[:, :-1]], axis=1)
        places = ops.cumsum(ops.ones_like(tokens), axis=1) - 1
        decoded = self._parts.embed_response(tokens, places)
        seen = ops.expand_dims(ops.take(mask, contexts, axis=0), 1)
        for layer, source in zip(self._parts.decoder.layers, sources, strict=True):
            attention = layer._self_attention_layer
            shape = (ops.shape(tokens)[0], 2, ops.shape(tokens)[1], attention.num_heads, attention.key_dim)
            decoded, *_ = layer(
                decoded,
                decoded,  # not read: the keys and values of the contexts are in the cache
                encoder_attention_mask=seen,
                self_attention_cache=ops.zeros(shape, attention.compute_dtype),
                self_attention_cache_update_index=0,
                cross_attention_cache=ops.take(source, contexts, axis=0),
            )
        losses = ops.sparse_categorical_crossentropy(known, self._parts.logits(decoded), from_logits=True)
        return -ops.sum(losses * ops.cast(labels >= 0, "float32"), axis=1)


def _padded(sequences: Sequence[Tokens], rows: int, length: int, padding: int) -> Ids:
    padded = np.full((rows, length), padding, np.int32)
    for row, sequence in zip(padded, sequences, strict=False):
        row[: len(sequence)] = sequence
    return padded
