"""The transformer encoder-decoder for conversations (BlenderBot's), from KerasHub's parts. Imports Keras: for trainer processes.

What makes it that of transformers' BlenderbotForConditionalGeneration (with ``normalize_first``) or, without,
BlenderbotSmallForConditionalGeneration, weight by weight: embeddings times the square root of their width
(``scale_embedding``), one embedding for encoder, decoder and output; learned positions from 0, not scaled; exact GELU; layer
norms of epsilon 1e-5; biases everywhere but in the output (``final_logits_bias`` is 0). With ``normalize_first`` a layer norm
ends each stack. Without, one stands on the encoder's embeddings and positions, and in the decoder on the embeddings alone, to
which positions are then added: so XLM's variant in ParlAI has it, and so the released 90 M model was trained.
"""

import math
from typing import Any

import keras
import keras_hub
from keras import ops

from threadmill.training.models.presets import ModelPreset, ModelSizes
from threadmill.training.models.segments import positions, same_segment, source_segment

RESPONSE = "response"

EPSILON = 1e-5  # of layer norms
_INITIAL_DEVIATION = 0.02


def build_encoder_decoder(preset: ModelPreset, sizes: ModelSizes, dropout: float) -> Any:
    """A randomly initialised encoder-decoder (Roller et al. 2020, sections 2.2 and 5).

    Returns:
        A functional keras.Model. Inputs, int32: ``encoder_token_ids`` and ``encoder_segment_ids`` [B, S],
        ``decoder_token_ids`` and ``decoder_segment_ids`` [B, T]; S and T may differ from call to call. Pairs packed into one
        row have segment ids of their own, the same in encoder and decoder, and do not see one another. Output, float32
        logits: ``response`` [B, T, V], of the token after each. Its layers are named ``token_embedding``,
        ``{encoder,decoder}_position_embedding``, ``{encoder,decoder}_embedding_dropout``,
        ``{encoder,decoder}_layer_norm`` (on the embeddings, or with ``normalize_first`` at the end),
        ``encoder_layer_{i}`` and ``decoder_layer_{i}``.
    """
    inputs = {
        name: keras.Input((None,), dtype="int32", name=name)
        for name in ("encoder_token_ids", "encoder_segment_ids", "decoder_token_ids", "decoder_segment_ids")
    }
    parts = _Parts(preset, sizes, dropout)
    encoder_segments, decoder_segments = inputs["encoder_segment_ids"], inputs["decoder_segment_ids"]
    encoded = _encode(parts, inputs["encoder_token_ids"], encoder_segments)
    source = source_segment(decoder_segments, encoder_segments)
    decoded = _decode(parts, inputs["decoder_token_ids"], decoder_segments, encoded, source)
    logits = parts.token_embedding(decoded, reverse=True)
    return keras.Model(inputs, {RESPONSE: ops.cast(logits, "float32")}, name="encoder_decoder")


class _Parts:
    """The layers that both stacks are made of."""

    def __init__(self, preset: ModelPreset, sizes: ModelSizes, dropout: float) -> None:
        self.preset, self.sizes, self.dropout = preset, sizes, dropout
        self.scale = math.sqrt(preset.hidden_dim)
        self.token_embedding = keras.layers.ReversibleEmbedding(
            sizes.vocabulary_size, preset.hidden_dim, embeddings_initializer=self._embedding_initializer(), name="token_embedding"
        )

    def position_embedding(self, stack: str) -> Any:
        return keras_hub.layers.PositionEmbedding(
            self.sizes.positions, initializer=self._embedding_initializer(), name=f"{stack}_position_embedding"
        )

    def norm(self, stack: str) -> Any:
        return keras.layers.LayerNormalization(epsilon=EPSILON, name=f"{stack}_layer_norm")

    def embedding_dropout(self, stack: str) -> Any:
        return keras.layers.Dropout(self.dropout, name=f"{stack}_embedding_dropout")

    def layer(self, stack: str, number: int) -> Any:
        kind = keras_hub.layers.TransformerEncoder if stack == "encoder" else keras_hub.layers.TransformerDecoder
        return kind(
            intermediate_dim=self.preset.intermediate_dim,
            num_heads=self.preset.num_heads,
            dropout=self.dropout,
            activation="gelu",
            layer_norm_epsilon=EPSILON,
            kernel_initializer=keras.initializers.TruncatedNormal(stddev=_INITIAL_DEVIATION),
            normalize_first=self.preset.normalize_first,
            name=f"{stack}_layer_{number}",
        )

    def _embedding_initializer(self) -> Any:
        """ParlAI's: what is scaled up by the root of the width is of deviation 1."""
        return keras.initializers.RandomNormal(stddev=1 / self.scale)


def _encode(parts: _Parts, token_ids: Any, segments: Any) -> Any:
    tokens = parts.token_embedding(token_ids) * parts.scale
    encoded = tokens + parts.position_embedding("encoder")(tokens, positions=positions(segments))
    norm = parts.norm("encoder")
    if not parts.preset.normalize_first:
        encoded = norm(encoded)
    encoded = parts.embedding_dropout("encoder")(encoded)
    together = same_segment(segments, segments)
    for number in range(parts.preset.encoder_layers):
        encoded = parts.layer("encoder", number)(encoded, attention_mask=together)
    return norm(encoded) if parts.preset.normalize_first else encoded


def _decode(parts: _Parts, token_ids: Any, segments: Any, encoded: Any, source: Any) -> Any:
    tokens = parts.token_embedding(token_ids) * parts.scale
    norm = parts.norm("decoder")
    if not parts.preset.normalize_first:
        tokens = norm(tokens)
    decoded = tokens + parts.position_embedding("decoder")(tokens, positions=positions(segments))
    decoded = parts.embedding_dropout("decoder")(decoded)
    together = same_segment(segments, segments)
    for number in range(parts.preset.num_layers):
        layer = parts.layer("decoder", number)
        decoded = layer(decoded, encoded, decoder_attention_mask=together, encoder_attention_mask=source)
    return norm(decoded) if parts.preset.normalize_first else decoded
