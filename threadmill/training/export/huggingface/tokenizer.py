"""The tokenizer's files beside an exported model: the vocabulary's own, made to lay text out as the model learnt it."""

from collections.abc import Mapping
from typing import Any

import orjson

from threadmill.errors import InputError
from threadmill.training.export.huggingface.layout import Json, TokenIds
from threadmill.training.models.presets import BERT, CAUSAL, ENCODER_DECODER
from threadmill.vocab.files import (
    ENTRIES_NAME,
    MERGES_NAME,
    TOKENIZER_CONFIG_NAME,
    TOKENIZER_NAME,
    VOCAB_NAME,
    json_text,
)
from threadmill.vocab.styles import SENTENCEPIECE_NAME
from threadmill.vocab.wordpiece import bert_files

VOCABULARY_NAMES = (VOCAB_NAME, TOKENIZER_NAME, TOKENIZER_CONFIG_NAME, ENTRIES_NAME, MERGES_NAME, SENTENCEPIECE_NAME)

_ROLES = {"pad": "pad_token", "cls": "cls_token", "sep": "sep_token"}


def tokenizer_files(files: Mapping[str, bytes], described: Json, *, cased: bool) -> dict[str, bytes]:
    """What `transformers.AutoTokenizer` loads.

    Text becomes what the model's records hold of it: [CLS] A [SEP] B [SEP] for an encoder; each text with a [SEP] behind it
    for an encoder-decoder's context; the tokens alone for a causal model.

    Args:
        files: the vocabulary's; a vocab.txt alone is taken for BERT's.
        described: the model's config.json.
        cased: a vocab.txt alone is of cased text.
    """
    if TOKENIZER_NAME not in files:
        files = {**files, **bert_files(_tokens(files), lowercase=not cased)}
    config = orjson.loads(files[TOKENIZER_CONFIG_NAME])
    architecture = described["architecture"]
    config["model_max_length"] = described["max_seq_length"]
    if architecture != BERT:  # the others have no segments
        config["model_input_names"] = ["input_ids", "attention_mask"]
    if architecture == CAUSAL:
        config["padding_side"] = "left"  # so that what is generated follows the text
    tokenizer = orjson.loads(files[TOKENIZER_NAME])
    if architecture in (ENCODER_DECODER, CAUSAL):
        tokenizer["post_processor"] = _separated(tokenizer, config["sep_token"]) if architecture == ENCODER_DECODER else None
    return {**files, TOKENIZER_NAME: json_text(tokenizer), TOKENIZER_CONFIG_NAME: json_text(config)}


def token_ids(files: Mapping[str, bytes], described: Json) -> TokenIds:
    """The ids of the special tokens, by their names in tokenizer_config.json.

    Raises:
        InputError: the vocabulary has others, or not as many tokens as the model.
    """
    tokens = _tokens(files)
    numbers = {token: number for number, token in enumerate(tokens)}
    names = orjson.loads(files[TOKENIZER_CONFIG_NAME])
    missing = [names[role] for role in _ROLES.values() if names[role] not in numbers]
    if missing or len(tokens) != described["vocabulary_size"]:
        wrong = f"no {', '.join(missing)}" if missing else f"{len(tokens)} tokens, and the model {described['vocabulary_size']}"
        raise InputError(f"the model's {VOCAB_NAME} has {wrong}; train the model again, with the vocabulary of its records")
    return TokenIds(**{field: numbers[names[role]] for field, role in _ROLES.items()})


def _tokens(files: Mapping[str, bytes]) -> list[str]:
    return [line.strip() for line in files[VOCAB_NAME].decode().removesuffix("\n").split("\n")]


def _separated(tokenizer: Mapping[str, Any], separator: str) -> dict[str, Any]:
    """The post-processor that puts ``separator`` behind each of one or two texts."""
    number = next(token["id"] for token in tokenizer["added_tokens"] if token["content"] == separator)
    mark = {"SpecialToken": {"id": separator, "type_id": 0}}

    def text(name: str) -> dict[str, Any]:
        return {"Sequence": {"id": name, "type_id": 0}}

    return {
        "type": "TemplateProcessing",
        "single": [text("A"), mark],
        "pair": [text("A"), mark, text("B"), mark],
        "special_tokens": {separator: {"id": separator, "ids": [number], "tokens": [separator]}},
    }
