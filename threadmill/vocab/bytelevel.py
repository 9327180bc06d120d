"""Byte-level BPE vocabularies (Radford et al. 2019), with RoBERTa's special tokens, trained by Hugging Face tokenizers."""

import json
from collections.abc import Iterator

import pyarrow as pa
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from threadmill.errors import ConfigError, InputError
from threadmill.vocab.config import Training, VocabularyConfig
from threadmill.vocab.files import (
    ENTRIES_NAME,
    MERGES_NAME,
    TOKENIZER_CONFIG_NAME,
    TOKENIZER_NAME,
    VOCAB_NAME,
    json_text,
    vocab_txt,
)

BYTE_LEVEL_SPECIALS = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")

_BATCH = 10_000


def train_bytelevel(lines: pa.Array | pa.ChunkedArray, config: VocabularyConfig) -> Training:
    """Trains on ``lines`` (large_string), in whatever order they stand.

    The order of the tokens is: special tokens, the 256 bytes, then the merges as they were found. Each line begins as a word
    after a space does, so that a word has the same tokens wherever it stands.

    Raises:
        ConfigError: ``vocab_size`` cannot hold the bytes.
        InputError: no line has text.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    smallest = len(BYTE_LEVEL_SPECIALS) + len(alphabet)
    if config.vocab_size < smallest:
        raise ConfigError(
            f"vocab_size {config.vocab_size} cannot hold {len(BYTE_LEVEL_SPECIALS)} special tokens and {len(alphabet)} bytes; "
            f"raise it to {smallest} or more"
        )
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size,
        min_frequency=config.min_frequency,
        special_tokens=list(BYTE_LEVEL_SPECIALS),
        initial_alphabet=alphabet,
        show_progress=False,
    )
    tokenizer = Tokenizer(models.BPE())
    if config.lowercase:
        tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.train_from_iterator(_batches(lines), trainer)
    if not trainer.get_word_count():
        raise InputError("no line of the corpus has a word; name a corpus with text")
    _complete(tokenizer)
    numbers = tokenizer.get_vocab()
    tokens = sorted(numbers, key=numbers.__getitem__)
    return Training(tokens, trainer.get_word_count(), _files(tokenizer, tokens))


def _complete(tokenizer: Tokenizer) -> None:
    """Adds what other software needs: special tokens, <s> A </s></s> B </s>, and a decoder."""
    first, pad, last, unknown, mask = BYTE_LEVEL_SPECIALS
    plain = [AddedToken(token, special=True, normalized=False) for token in (first, pad, last, unknown)]
    tokenizer.add_special_tokens([*plain, AddedToken(mask, special=True, normalized=False, lstrip=True)])
    ids = {token: number for number, token in enumerate(BYTE_LEVEL_SPECIALS)}
    tokenizer.post_processor = processors.RobertaProcessing(
        (last, ids[last]), (first, ids[first]), trim_offsets=True, add_prefix_space=True
    )
    tokenizer.decoder = decoders.ByteLevel()


def _files(tokenizer: Tokenizer, tokens: list[str]) -> dict[str, bytes]:
    text = tokenizer.to_str(pretty=True)
    merges = ["#version: 0.2", *(" ".join(pair) for pair in json.loads(text)["model"]["merges"])]
    first, pad, last, unknown, mask = BYTE_LEVEL_SPECIALS
    return {
        VOCAB_NAME: vocab_txt(tokens),
        TOKENIZER_NAME: text.encode(),
        ENTRIES_NAME: json_text({token: number for number, token in enumerate(tokens)}),
        MERGES_NAME: "".join(f"{line}\n" for line in merges).encode(),
        TOKENIZER_CONFIG_NAME: json_text(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",  # RobertaTokenizer's rules have no lower-casing
                "add_prefix_space": True,
                "model_input_names": ["input_ids", "attention_mask"],
                "bos_token": first,
                "eos_token": last,
                "unk_token": unknown,
                "pad_token": pad,
                "cls_token": first,
                "sep_token": last,
                "mask_token": mask,
            }
        ),
    }


def _batches(lines: pa.Array | pa.ChunkedArray) -> Iterator[list[str]]:
    for start in range(0, len(lines), _BATCH):
        yield lines[start : start + _BATCH].to_pylist()
