"""The transformer encoder-decoder for conversations (BlenderBot's), from KerasHub's parts. Imports Keras: for trainer processes.

What makes it that of transformers' BlenderbotForConditionalGeneration (with ``normalize_first``) or, without,
BlenderbotSmallForConditionalGeneration, weight by weight: embeddings times the square root of their width
(``scale_embedding``), one embedding for encoder, decoder and output; learned positions from 0, not scaled; exact GELU; layer
norms of epsilon 1e-5; biases everywhere but in the output (``final_logits_bias`` is 0). With ``normalize_first`` a layer norm
ends each stack. Without, one stands on the encoder's embeddings and positions, and in the decoder on the embeddings alone, to
which positions are then added: so XLM's variant in ParlAI has it, and so the released 90 M model was trained.
"""

import math
from dataclasses import dataclass
from typing import Any

import keras
import keras_hub
from keras import ops

from threadmill.training.models.presets import ModelPreset, ModelSizes
from threadmill.training.models.segments import positions, same_segment, source_segment

RESPONSE = "response"

_EPSILON = 1e-5  # of layer norms
_TOKEN_EMBEDDING = "token_embedding"
_ENCODER, _DECODER = "encoder", "decoder"
_LAYERS = {_ENCODER: keras_hub.layers.TransformerEncoder, _DECODER: keras_hub.layers.TransformerDecoder}


def build_encoder_decoder(preset: ModelPreset, sizes: ModelSizes, dropout: float) -> Any:
    """A randomly initialised encoder-decoder (Roller et al. 2020, section 2.2).

    Returns:
        A functional keras.Model. Inputs, int32: ``encoder_token_ids`` and ``encoder_segment_ids`` [B, S],
        ``decoder_token_ids`` and ``decoder_segment_ids`` [B, T]; S and T may differ from call to call. Pairs packed into one
        row have segment ids of their own, the same in encoder and decoder, and do not see one another; 0 is padding.
        Output, float32 logits: ``response`` [B, T, V], of the token after each. Its layers are named ``token_embedding``,
        and for ``encoder`` and ``decoder`` ``{stack}_position_embedding``, ``{stack}_embedding_dropout``,
        ``{stack}_layer_{i}`` and ``{stack}_layer_norm`` (on the embeddings, or with ``normalize_first`` at the end).
    """
    inputs = {
        name: keras.Input((None,), dtype="int32", name=name)
        for name in ("encoder_token_ids", "encoder_segment_ids", "decoder_token_ids", "decoder_segment_ids")
    }
    parts = _new_parts(preset, sizes, dropout)
    sources, targets = inputs["encoder_segment_ids"], inputs["decoder_segment_ids"]
    encoded = parts.encode(inputs["encoder_token_ids"], sources)
    decoded = parts.embed_response(inputs["decoder_token_ids"], positions(targets))
    masks = {
        "decoder_attention_mask": same_segment(targets, targets),
        "encoder_attention_mask": source_segment(targets, sources),
    }
    for layer in parts.decoder.layers:
        decoded = layer(decoded, encoded, **masks)
    return keras.Model(inputs, {RESPONSE: parts.logits(decoded)}, name="encoder_decoder")


@dataclass(frozen=True)
class Stack:
    """The layers of an encoder or a decoder."""

    position_embedding: Any
    dropout: Any
    layers: tuple[Any, ...]
    norm: Any


@dataclass(frozen=True)
class EncoderDecoderParts:
    """The layers of an encoder-decoder, and how they follow one another."""

    token_embedding: Any
    encoder: Stack
    decoder: Stack
    normalize_first: bool

    def encode(self, token_ids: Any, segments: Any) -> Any:
        """float[B, S, H], of int32[B, S] each; padding is of the segment 0."""
        encoded = self._embed(token_ids)
        encoded = encoded + self.encoder.position_embedding(encoded, positions=positions(segments))
        if not self.normalize_first:
            encoded = self.encoder.norm(encoded)
        encoded = self.encoder.dropout(encoded)
        together = same_segment(segments, segments)
        for layer in self.encoder.layers:
            encoded = layer(encoded, attention_mask=together)
        return self.encoder.norm(encoded) if self.normalize_first else encoded

    def sources(self, token_ids: Any, segments: Any) -> list[Any]:
        """For each layer of the decoder the keys and values of contexts, float[B, 2, S, heads, width]; see `encode`."""
        encoded = self.encode(token_ids, segments)
        attentions = [layer._cross_attention_layer for layer in self.decoder.layers]
        return [ops.stack([one._key_dense(encoded), one._value_dense(encoded)], axis=1) for one in attentions]

    def embed_response(self, token_ids: Any, places: Any) -> Any:
        """float[B, T, H], what the decoder's layers take; ``places`` int32[B, T] are the tokens' positions."""
        # The norm undoes the scale but for its epsilon, and transformers' class has none before it.
        tokens = self._embed(token_ids) if self.normalize_first else self.decoder.norm(self.token_embedding(token_ids))
        return self.decoder.dropout(tokens + self.decoder.position_embedding(tokens, positions=places))

    def logits(self, decoded: Any) -> Any:
        """float32[B, T, V], of what the last layer of the decoder gave."""
        decoded = self.decoder.norm(decoded) if self.normalize_first else decoded
        return ops.cast(self.token_embedding(decoded, reverse=True), "float32")

    def _embed(self, token_ids: Any) -> Any:
        return self.token_embedding(token_ids) * math.sqrt(self.token_embedding.output_dim)


def find_parts(model: Any) -> EncoderDecoderParts:
    """The layers of a model that `build_encoder_decoder` built, or that was saved and loaded since."""
    stacks = {stack: _found_stack(model, stack) for stack in _LAYERS}
    return EncoderDecoderParts(
        model.get_layer(_TOKEN_EMBEDDING), **stacks, normalize_first=stacks[_DECODER].layers[0].normalize_first
    )


def _found_stack(model: Any, stack: str) -> Stack:
    names = {layer.name for layer in model.layers}
    layers: list[Any] = []
    while f"{stack}_layer_{len(layers)}" in names:
        layers.append(model.get_layer(f"{stack}_layer_{len(layers)}"))
    one = {part: model.get_layer(f"{stack}_{part}") for part in ("position_embedding", "embedding_dropout", "layer_norm")}
    return Stack(one["position_embedding"], one["embedding_dropout"], tuple(layers), one["layer_norm"])


def _new_parts(preset: ModelPreset, sizes: ModelSizes, dropout: float) -> EncoderDecoderParts:
    # ParlAI's: embeddings, which are multiplied by the root of the width, are then of deviation 1, and Xavier's matrices of
    # attention keep it; at a width of 2,560 it is the usual 0.02, with which small models are slow to learn to attend.
    deviation = 1 / math.sqrt(preset.hidden_dim)

    def stack(name: str, num_layers: int) -> Stack:
        layer = {
            "intermediate_dim": preset.intermediate_dim,
            "num_heads": preset.num_heads,
            "dropout": dropout,
            "activation": "gelu",
            "layer_norm_epsilon": _EPSILON,
            "kernel_initializer": _normal(deviation),
            "normalize_first": preset.normalize_first,
        }
        return Stack(
            keras_hub.layers.PositionEmbedding(
                sizes.positions, initializer=_normal(deviation), name=f"{name}_position_embedding"
            ),
            keras.layers.Dropout(dropout, name=f"{name}_embedding_dropout"),
            tuple(_LAYERS[name](**layer, name=f"{name}_layer_{number}") for number in range(num_layers)),
            keras.layers.LayerNormalization(epsilon=_EPSILON, name=f"{name}_layer_norm"),
        )

    token_embedding = keras.layers.ReversibleEmbedding(
        sizes.vocabulary_size,
        preset.hidden_dim,
        embeddings_initializer=_normal(deviation),
        name=_TOKEN_EMBEDDING,
    )
    encoder, decoder = stack(_ENCODER, preset.encoder_layers), stack(_DECODER, preset.num_layers)
    return EncoderDecoderParts(token_embedding, encoder, decoder, preset.normalize_first)


def _normal(deviation: float) -> Any:
    return keras.initializers.RandomNormal(stddev=deviation)
