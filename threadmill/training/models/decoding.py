"""Decodes token by token: a trained model reads its contexts once, and keeps the keys and values of what it has read.

The logits are those of the whole model called on all tokens at once. Each function is compiled for every new set of shapes, so
that contexts are padded to a multiple of 16 tokens.
"""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from keras import ops

from threadmill.training.backends.compiled import compiled
from threadmill.training.models import causal, encoder_decoder
from threadmill.training.models.next_token import Ids, Logits, NextToken

_MULTIPLE = 16


class Decoder(Protocol):
    """A trained model that can decode token by token."""

    def read(self, contexts: Sequence[Sequence[int]], max_length: int) -> NextToken:
        """Reads the contexts; an encoder-decoder all of them, a causal model all but their last tokens.

        The first call of what is returned begins with the responses' first token, or with the contexts' last one.

        Args:
            contexts: token ids, at least one each.
            max_length: the calls at most.

        Raises:
            ValueError: the model has not as many positions.
        """


def make_decoder(model: Any) -> Decoder:
    """A decoder of a model with the output ``response`` or ``next_token``, as built, or saved and loaded since."""
    return ResponseDecoder(model) if encoder_decoder.RESPONSE in model.output else CausalDecoder(model)


class ResponseDecoder:
    """Decodes with an encoder-decoder, see `Decoder`."""

    def __init__(self, model: Any) -> None:
        self._parts = encoder_decoder.find_parts(model)
        self._read = compiled(self._parts.sources, model.variables)
        self._step = compiled(self._decode, model.variables)

    def read(self, contexts: Sequence[Sequence[int]], max_length: int) -> NextToken:
        """Encodes the contexts."""
        _check_positions(max(map(len, contexts)), self._parts.encoder.position_embedding)
        _check_positions(max_length, self._parts.decoder.position_embedding)
        token_ids, mask = _padded(contexts, self._parts.encoder.position_embedding.sequence_length)
        sources = self._read(token_ids, mask)
        selves = _empty_caches(self._parts.decoder.layers, len(contexts), max_length)
        return _ResponseRows(self._step, sources, mask, selves, max_length)

    def _decode(self, step: Any, of: Any, parents: Any, tokens: Any, sources: Any, mask: Any, selves: Any) -> tuple[Any, Any]:
        """The logits, and the keys and values of the responses, one token longer.

        Args:
            step: int32[], the tokens before.
            of, parents: int32[R], the context of each row, and the row of ``selves`` that it goes on from.
        """
        tokens = ops.expand_dims(tokens, 1)
        decoded = self._parts.embed_response(tokens, ops.full_like(tokens, step))
        seen = ops.expand_dims(ops.take(mask, of, axis=0), 1)
        after = []
        for layer, source, own in zip(self._parts.decoder.layers, sources, selves, strict=True):
            decoded, own, _ = layer(
                decoded,
                decoded,  # not read: the keys and values of the contexts are in the cache
                encoder_attention_mask=seen,
                self_attention_cache=ops.take(own, parents, axis=0),
                self_attention_cache_update_index=step,
                cross_attention_cache=ops.take(source, of, axis=0),
            )
            after.append(own)
        return self._parts.logits(decoded)[:, 0], after


class _ResponseRows:
    """See `NextToken`."""

    def __init__(self, step: Any, sources: Any, mask: Ids, selves: Any, max_length: int) -> None:
        self._step, self._sources, self._mask, self._selves = step, sources, mask, selves
        self._number, self._max_length = 0, max_length
        self._of = np.arange(len(mask), dtype=np.int32)

    def __call__(self, parents: npt.NDArray[np.integer], tokens: Ids) -> Logits:
        _check_length(self._number, self._max_length)
        parents = np.asarray(parents, np.int32)
        self._of = self._of[parents]
        arguments = np.int32(self._number), self._of, parents, np.asarray(tokens, np.int32)
        logits, self._selves = self._step(*arguments, self._sources, self._mask, self._selves)
        self._number += 1
        return ops.convert_to_numpy(logits)  # type: ignore[no-any-return]


class CausalDecoder:
    """Decodes with a causal model, see `Decoder`.

    The caches hold the contexts from slot 0 on, padded to one width, and what follows them from that width on: so all rows
    write into the same slot, and the slots of the padding are masked.
    """

    def __init__(self, model: Any) -> None:
        self._parts = causal.find_parts(model)
        self._read = compiled(self._read_contexts, model.variables)
        self._step = compiled(self._decode, model.variables)

    def read(self, contexts: Sequence[Sequence[int]], max_length: int) -> NextToken:
        """Reads all but the last tokens of the contexts."""
        _check_positions(max(map(len, contexts)) - 1 + max_length, self._parts.position_embedding)
        token_ids, mask = _padded([context[:-1] for context in contexts])
        caches = _empty_caches(self._parts.layers, len(contexts), token_ids.shape[1] + max_length)
        return _CausalRows(self._step, mask, self._read(token_ids, mask, caches), max_length)

    def _read_contexts(self, token_ids: Any, mask: Any, caches: Any) -> list[Any]:
        """The caches, float[B, 2, W + steps, heads, width], with the keys and values of int32[B, W]."""
        decoded = self._parts.embed(token_ids, ops.maximum(ops.cumsum(mask, axis=1) - 1, 0))
        after = []
        for layer, cache in zip(self._parts.layers, caches, strict=True):
            decoded, cache = layer(decoded, self_attention_cache=cache, self_attention_cache_update_index=0)
            after.append(cache)
        return after

    def _decode(self, step: Any, parents: Any, tokens: Any, mask: Any, caches: Any) -> tuple[Any, Any]:
        """The logits, and the caches with one token more.

        Args:
            step: int32[], the tokens after the contexts before this one.
            parents: int32[R], the rows of ``caches`` that the rows go on from.
            mask: int32[R, W], the rows' contexts.
        """
        tokens = ops.expand_dims(tokens, 1)
        decoded = self._parts.embed(tokens, ops.sum(mask, axis=1, keepdims=True) + step)
        written = ops.ones((ops.shape(mask)[0], ops.shape(caches[0])[2] - ops.shape(mask)[1]), "int32")
        seen = ops.expand_dims(ops.concatenate([mask, written], axis=1), 1)
        after = []
        for layer, cache in zip(self._parts.layers, caches, strict=True):
            decoded, cache = layer(
                decoded,
                decoder_attention_mask=seen,
                self_attention_cache=ops.take(cache, parents, axis=0),
                self_attention_cache_update_index=ops.shape(mask)[1] + step,
            )
            after.append(cache)
        return self._parts.logits(decoded)[:, 0], after


class _CausalRows:
    """See `NextToken`."""

    def __init__(self, step: Any, mask: Ids, caches: Any, max_length: int) -> None:
        self._step, self._mask, self._caches = step, mask, caches
        self._number, self._max_length = 0, max_length

    def __call__(self, parents: npt.NDArray[np.integer], tokens: Ids) -> Logits:
        _check_length(self._number, self._max_length)
        parents = np.asarray(parents, np.int32)
        self._mask = self._mask[parents]
        arguments = np.int32(self._number), parents, np.asarray(tokens, np.int32)
        logits, self._caches = self._step(*arguments, self._mask, self._caches)
        self._number += 1
        return ops.convert_to_numpy(logits)  # type: ignore[no-any-return]


def _padded(sequences: Sequence[Sequence[int]], most: int | None = None) -> tuple[Ids, Ids]:
    """The ids, int32[B, W] with W a multiple of 16 or ``most``, if that is less, and a mask of 1 where they are."""
    width = -(-max(1, *map(len, sequences)) // _MULTIPLE) * _MULTIPLE
    width = width if most is None else min(width, most)
    ids, mask = np.zeros((2, len(sequences), width), np.int32)
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)], mask[row, : len(sequence)] = sequence, 1
    return ids, mask


def _empty_caches(layers: Sequence[Any], rows: int, length: int) -> list[Any]:
    """For each layer zeros, float[rows, 2, length, heads, width]."""
    attentions = [layer._self_attention_layer for layer in layers]
    return [ops.zeros((rows, 2, length, one.num_heads, one.key_dim), one.compute_dtype) for one in attentions]


def _check_positions(length: int, embedding: Any) -> None:
    if length > embedding.sequence_length:
        raise ValueError(f"{length} tokens are asked for, and the model has {embedding.sequence_length} positions; ask for fewer")


def _check_length(number: int, max_length: int) -> None:
    if number >= max_length:
        raise ValueError(f"{max_length} tokens were asked for, and all are decoded; read the contexts with a larger max_length")
