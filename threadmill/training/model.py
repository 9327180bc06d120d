"""BERT with its two pretraining heads, from KerasHub's parts. Imports Keras: for the trainer's processes only."""

from collections.abc import Callable
from typing import Any

import keras
import keras_hub

from threadmill.training.presets import ModelPreset

MASKED_LM = "masked_lm"
NEXT_SENTENCE = "next_sentence"

_LAYER_NORM_EPSILON = 1e-12  # the original's; KerasHub's head has 1e-5 by default
_INITIAL_DEVIATION = 0.02


def build_bert(preset: ModelPreset, vocabulary_size: int, max_seq_length: int, dropout: float) -> Any:
    """A randomly initialised BERT (Devlin et al. 2018) for pretraining.

    Returns:
        A functional keras.Model. Inputs, int32: ``token_ids``, ``segment_ids``, ``padding_mask`` [B, S] and
        ``mask_positions`` [B, P]. Outputs, float32 logits: ``masked_lm`` [B, P, V], at the masked positions only, from
        the embedding matrix transposed; ``next_sentence`` [B, 2], where 1 means that the second segment is random.
    """
    backbone = keras_hub.models.BertBackbone(
        vocabulary_size=vocabulary_size,
        num_layers=preset.num_layers,
        num_heads=preset.num_heads,
        hidden_dim=preset.hidden_dim,
        intermediate_dim=preset.intermediate_dim,
        dropout=dropout,
        max_sequence_length=max_seq_length,
    )
    masked_lm = keras_hub.layers.MaskedLMHead(
        token_embedding=backbone.token_embedding,
        intermediate_activation=backbone.transformer_layers[0].activation,  # one GELU throughout, as in the original
        layer_norm_epsilon=_LAYER_NORM_EPSILON,
        kernel_initializer=_initializer(),
        name=MASKED_LM,
    )
    next_sentence = keras.layers.Dense(2, kernel_initializer=_initializer(), dtype="float32", name=NEXT_SENTENCE)
    positions = keras.Input((None,), dtype="int32", name="mask_positions")
    # The heads stand on the backbone's own layers, not on a call of the backbone as one layer: Keras then stores the
    # embedding once, and the saved model loads with it shared; nested, it cannot be loaded at all.
    outputs = {
        MASKED_LM: masked_lm(backbone.output["sequence_output"], positions),
        NEXT_SENTENCE: next_sentence(backbone.output["pooled_output"]),
    }
    return keras.Model({**backbone.input, "mask_positions": positions}, outputs, name="bert_pretraining")


def _initializer() -> Any:
    return keras.initializers.TruncatedNormal(stddev=_INITIAL_DEVIATION)


# The registry of architectures: the function that builds one.
ARCHITECTURES: dict[str, Callable[[ModelPreset, int, int, float], Any]] = {"bert": build_bert}


def build_model(preset: ModelPreset, vocabulary_size: int, max_seq_length: int, dropout: float) -> Any:
    """The model of ``preset``, its weights drawn with Keras's global seed."""
    return ARCHITECTURES[preset.architecture](preset, vocabulary_size, max_seq_length, dropout)


def set_output_bias(model: Any, logits: Any) -> None:
    """Sets the bias of the masked LM's logits (float32[V])."""
    bias = next(variable for variable in model.trainable_variables if variable.path == f"{MASKED_LM}/output_bias")
    bias.assign(logits)
