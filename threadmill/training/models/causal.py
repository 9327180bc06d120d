"""The causal language model (GPT-2's), from KerasHub's parts. Imports Keras: for the trainer's processes only.

It is transformers' GPT2LMHeadModel weight by weight: embeddings and learned positions from 0, layer norms of epsilon 1e-5 before
each attention and feed-forward layer and one at the end, GELU by the tangent (``gelu_new``), biases everywhere but in the
output, which is the embedding transposed.
"""

from dataclasses import dataclass
from typing import Any

import keras
import keras_hub
from keras import ops

from threadmill.training.models.presets import ModelPreset, ModelSizes
from threadmill.training.models.segments import positions, same_segment

NEXT_TOKEN = "next_token"

_EPSILON = 1e-5  # of layer norms
_INITIAL_DEVIATION = 0.02
_GELU = "keras_hub>gelu_approximate"  # as KerasHub registers it: a saved model loads where KerasHub is imported


def build_causal(preset: ModelPreset, sizes: ModelSizes, dropout: float) -> Any:
    """A randomly initialised GPT-2 (Radford et al. 2019, section 2.3).

    Returns:
        A functional keras.Model. Inputs, int32: ``token_ids`` and ``segment_ids`` [B, S]; S may differ from call to call.
        Documents packed into one row have segment ids of their own, and do not see one another; 0 is padding. Output,
        float32 logits: ``next_token`` [B, S, V]. Its layers are named ``token_embedding``, ``position_embedding``,
        ``embedding_dropout``, ``layer_{i}`` and ``layer_norm``.
    """
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in ("token_ids", "segment_ids")}
    segments = inputs["segment_ids"]
    parts = _new_parts(preset, sizes, dropout)
    decoded = parts.embed(inputs["token_ids"], positions(segments))
    together = same_segment(segments, segments)
    for layer in parts.layers:
        decoded = layer(decoded, decoder_attention_mask=together)
    return keras.Model(inputs, {NEXT_TOKEN: parts.logits(decoded)}, name="causal")


@dataclass(frozen=True)
class CausalParts:
    """The layers of a causal model, and how they follow one another."""

    token_embedding: Any
    position_embedding: Any
    dropout: Any
    layers: tuple[Any, ...]
    norm: Any

    def embed(self, token_ids: Any, places: Any) -> Any:
        """float[B, S, H], what the layers take; ``places`` int32[B, S] are the tokens' positions."""
        tokens = self.token_embedding(token_ids)
        return self.dropout(tokens + self.position_embedding(tokens, positions=places))

    def logits(self, decoded: Any) -> Any:
        """float32[B, S, V], of what the last layer gave."""
        return ops.cast(self.token_embedding(self.norm(decoded), reverse=True), "float32")


def find_parts(model: Any) -> CausalParts:
    """The layers of a model that `build_causal` built, or that was saved and loaded since."""
    names = {layer.name for layer in model.layers}
    layers: list[Any] = []
    while f"layer_{len(layers)}" in names:
        layers.append(model.get_layer(f"layer_{len(layers)}"))
    one = {name: model.get_layer(name) for name in ("token_embedding", "position_embedding", "embedding_dropout", "layer_norm")}
    return CausalParts(
        one["token_embedding"], one["position_embedding"], one["embedding_dropout"], tuple(layers), one["layer_norm"]
    )


def _new_parts(preset: ModelPreset, sizes: ModelSizes, dropout: float) -> CausalParts:
    return CausalParts(
        keras.layers.ReversibleEmbedding(
            sizes.vocabulary_size, preset.hidden_dim, embeddings_initializer=_normal(), name="token_embedding"
        ),
        keras_hub.layers.PositionEmbedding(sizes.positions, initializer=_normal(), name="position_embedding"),
        keras.layers.Dropout(dropout, name="embedding_dropout"),
        tuple(_layer(preset, dropout, number) for number in range(preset.num_layers)),
        keras.layers.LayerNormalization(epsilon=_EPSILON, name="layer_norm"),
    )


def _layer(preset: ModelPreset, dropout: float, number: int) -> Any:
    return keras_hub.layers.TransformerDecoder(
        intermediate_dim=preset.intermediate_dim,
        num_heads=preset.num_heads,
        dropout=dropout,
        activation=keras.saving.get_registered_object(_GELU),
        layer_norm_epsilon=_EPSILON,
        kernel_initializer=_normal(),
        normalize_first=True,
        name=f"layer_{number}",
    )


def _normal() -> Any:
    return keras.initializers.RandomNormal(stddev=_INITIAL_DEVIATION)
