"""Writes a model in Hugging Face's layout; with safetensors alone, neither transformers nor torch is needed."""

import os
from collections.abc import Callable
from typing import Any

import orjson
from safetensors.numpy import save_file

from threadmill.training.export.formats import ExporterSpec
from threadmill.training.export.huggingface.card import model_card
from threadmill.training.export.huggingface.causal import causal
from threadmill.training.export.huggingface.encoder_decoder import encoder_decoder
from threadmill.training.export.huggingface.encoders import bert, roberta
from threadmill.training.export.huggingface.layout import Json, Layout, TokenIds
from threadmill.training.export.huggingface.tokenizer import VOCABULARY_NAMES, token_ids, tokenizer_files
from threadmill.training.finished_model import CONFIG_NAME
from threadmill.training.models.presets import BERT, CAUSAL, ENCODER_DECODER, ROBERTA
from threadmill.training.runs.losses import LOSSES_NAME
from threadmill.vocab.files import json_text

# config.json is the name of this one too: it takes the place of the model's own.
WEIGHTS_NAME, GENERATION_NAME, CARD_NAME = "model.safetensors", "generation_config.json", "README.md"

# The registry of architectures: the layout of each.
LAYOUTS: dict[str, Callable[[Any, Json, TokenIds], Layout]] = {
    BERT: bert,
    ROBERTA: roberta,
    ENCODER_DECODER: encoder_decoder,
    CAUSAL: causal,
}


def write_huggingface(model: Any, spec: ExporterSpec, folder: str) -> None:
    """Writes config.json, model.safetensors, the tokenizer's files, generation_config.json for what generates, and README.md.

    Raises:
        InputError: the vocabulary is not the model's, or a weight has no place in the layout.
    """
    described = orjson.loads(_read(spec.model, CONFIG_NAME))
    vocabulary = {name: _read(spec.model, name) for name in VOCABULARY_NAMES if os.path.exists(os.path.join(spec.model, name))}
    files = tokenizer_files(vocabulary, described, cased=spec.config.cased)
    layout = LAYOUTS[described["architecture"]](model, described, token_ids(files, described))
    files[CONFIG_NAME] = json_text(layout.config)
    if layout.generation:
        files[GENERATION_NAME] = json_text(layout.generation)
    scores = orjson.loads(_read(*os.path.split(spec.evaluation))) if spec.evaluation else {}
    card = model_card(spec.name, layout, described, _read(spec.model, LOSSES_NAME), scores, spec.config)
    files[CARD_NAME] = card.encode()
    for name, content in files.items():
        with open(os.path.join(folder, name), "wb") as stream:
            stream.write(content)
    save_file(layout.tensors, os.path.join(folder, WEIGHTS_NAME), metadata={"format": "pt"})


def _read(folder: str, name: str) -> bytes:
    with open(os.path.join(folder, name), "rb") as stream:
        return stream.read()
