"""Builds the model of a preset. Imports Keras: for the trainer's processes only."""

from collections.abc import Callable
from typing import Any

from threadmill.training.models.causal import build_causal
from threadmill.training.models.encoder_decoder import build_encoder_decoder
from threadmill.training.models.encoders import MASKED_LM, build_bert, build_roberta
from threadmill.training.models.presets import BERT, CAUSAL, ENCODER_DECODER, ROBERTA, ModelPreset, ModelSizes

# The registry of architectures: the function that builds one.
ARCHITECTURES: dict[str, Callable[[ModelPreset, ModelSizes, float], Any]] = {
    BERT: build_bert,
    ROBERTA: build_roberta,
    ENCODER_DECODER: build_encoder_decoder,
    CAUSAL: build_causal,
}


def build_model(preset: ModelPreset, sizes: ModelSizes, dropout: float) -> Any:
    """The model of ``preset``, its weights drawn with Keras's global seed; see the functions of `ARCHITECTURES`."""
    return ARCHITECTURES[preset.architecture](preset, sizes, dropout)


def set_output_bias(model: Any, logits: Any) -> None:
    """Sets the bias of the masked LM's logits (float32[V]); the other models' have none."""
    bias = next(variable for variable in model.trainable_variables if variable.path == f"{MASKED_LM}/output_bias")
    bias.assign(logits)
