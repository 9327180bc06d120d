"""The causal language model (GPT-2's), from KerasHub's parts. Imports Keras: for the trainer's processes only.

It is transformers' GPT2LMHeadModel weight by weight: embeddings and learned positions from 0, layer norms of epsilon 1e-5 before
each attention and feed-forward layer and one at the end, GELU by the tangent (``gelu_new``), biases everywhere but in the
output, which is the embedding transposed.
"""

from typing import Any

import keras
import keras_hub
from keras import ops

from threadmill.training.models.presets import ModelPreset, ModelSizes
from threadmill.training.models.segments import positions, same_segment

NEXT_TOKEN = "next_token"

EPSILON = 1e-5  # of layer norms
_INITIAL_DEVIATION = 0.02
_GELU = "keras_hub>gelu_approximate"  # as KerasHub registers it: a saved model loads where KerasHub is imported


def build_causal(preset: ModelPreset, sizes: ModelSizes, dropout: float) -> Any:
    """A randomly initialised GPT-2 (Radford et al. 2019, section 2.3).

    Returns:
        A functional keras.Model. Inputs, int32: ``token_ids`` and ``segment_ids`` [B, S]; S may differ from call to call.
        Documents packed into one row have segment ids of their own, and do not see one another. Output, float32 logits:
        ``next_token`` [B, S, V]. Its layers are named ``token_embedding``, ``position_embedding``, ``embedding_dropout``,
        ``layer_{i}`` and ``layer_norm``.
    """
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in ("token_ids", "segment_ids")}
    segments = inputs["segment_ids"]
    token_embedding = keras.layers.ReversibleEmbedding(
        sizes.vocabulary_size, preset.hidden_dim, embeddings_initializer=_initializer(), name="token_embedding"
    )
    position_embedding = keras_hub.layers.PositionEmbedding(
        sizes.positions, initializer=_initializer(), name="position_embedding"
    )
    tokens = token_embedding(inputs["token_ids"])
    decoded = tokens + position_embedding(tokens, positions=positions(segments))
    decoded = keras.layers.Dropout(dropout, name="embedding_dropout")(decoded)
    together = same_segment(segments, segments)
    for number in range(preset.num_layers):
        decoded = _layer(preset, dropout, number)(decoded, decoder_attention_mask=together)
    decoded = keras.layers.LayerNormalization(epsilon=EPSILON, name="layer_norm")(decoded)
    logits = token_embedding(decoded, reverse=True)
    return keras.Model(inputs, {NEXT_TOKEN: ops.cast(logits, "float32")}, name="causal")


def _layer(preset: ModelPreset, dropout: float, number: int) -> Any:
    return keras_hub.layers.TransformerDecoder(
        intermediate_dim=preset.intermediate_dim,
        num_heads=preset.num_heads,
        dropout=dropout,
        activation=keras.saving.get_registered_object(_GELU),
        layer_norm_epsilon=EPSILON,
        kernel_initializer=_initializer(),
        normalize_first=True,
        name=f"layer_{number}",
    )


def _initializer() -> Any:
    return keras.initializers.RandomNormal(stddev=_INITIAL_DEVIATION)
