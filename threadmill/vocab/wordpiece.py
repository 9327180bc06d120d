"""WordPiece vocabularies trained by Hugging Face tokenizers, the same entries each time."""

from collections.abc import Iterator, Sequence

import numpy as np
import pyarrow as pa
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from threadmill.errors import ConfigError, InputError
from threadmill.vocab.config import SPECIAL_TOKENS, Training, VocabularyConfig
from threadmill.vocab.files import TOKENIZER_CONFIG_NAME, TOKENIZER_NAME, VOCAB_NAME, json_text, vocab_txt
from threadmill.vocab.styles import CONTINUATION

MAX_CHARACTERS_PER_WORD = 200  # a longer word is [UNK], as in google-research/bert's WordpieceTokenizer

_BATCH = 10_000
_MAX_SAMPLE_BYTES = 2**31 - 1  # the trainer counts pairs in 32 bits


def train_wordpiece(lines: pa.Array | pa.ChunkedArray, config: VocabularyConfig) -> Training:
    """Trains a WordPiece vocabulary on ``lines`` (large_string), in whatever order they stand.

    The order of its tokens is: special tokens, single characters, single characters inside a word (``##x``), then the
    merges as they were found. A character that can stand inside a word is there in both forms, so that only a word with
    a character outside the alphabet becomes [UNK].

    Raises:
        ConfigError: ``vocab_size`` cannot hold the alphabet, or the sample is too large for the trainer.
        InputError: no line has a word.
    """
    if lines.nbytes > _MAX_SAMPLE_BYTES:
        raise ConfigError(f"the sample of {len(lines):,} lines has {lines.nbytes:,} bytes, 2 GiB at most; lower sample_lines")
    normalizer, pre_tokenizer = normalizers.BertNormalizer(lowercase=config.lowercase), pre_tokenizers.BertPreTokenizer()
    alphabet = _alphabet(lines, normalizer, config.limit_alphabet)
    if not alphabet:
        raise InputError("no line of the corpus has a word; name a corpus with text")
    joined = [normalizer.normalize_str("a" + letter) for letter in alphabet]
    alone = [len(pre_tokenizer.pre_tokenize_str(word)) > 1 for word in joined]  # punctuation and ideographs
    inside = [CONTINUATION + letter for letter, apart in zip(alphabet, alone, strict=True) if not apart]
    smallest = len(SPECIAL_TOKENS) + len(alphabet) + len(inside)
    if config.vocab_size < smallest:
        raise ConfigError(
            f"vocab_size {config.vocab_size} cannot hold {len(SPECIAL_TOKENS)} special tokens and {len(alphabet)} characters "
            f"({len(inside)} of them also inside words); raise it to {smallest} or more, or lower limit_alphabet"
        )
    # The trainer numbers the ##x in the order of a hash map that differs from run to run, and ties between pairs go by
    # number. As "special" tokens they have their numbers before it looks; nothing else in it depends on an order.
    trainer = trainers.BpeTrainer(  # WordPieceTrainer is this one with "##" for its prefix, and does not count words
        vocab_size=config.vocab_size,
        min_frequency=config.min_frequency,
        special_tokens=[*SPECIAL_TOKENS, *inside],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        continuing_subword_prefix=CONTINUATION,
        show_progress=False,
    )
    tokenizer = Tokenizer(models.BPE(unk_token="[UNK]", continuing_subword_prefix=CONTINUATION))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizer, pre_tokenizer
    tokenizer.train_from_iterator(_batches(lines), trainer)
    numbers = tokenizer.get_vocab()
    single = [*SPECIAL_TOKENS, *alphabet, *inside]
    merges = sorted(numbers.keys() - set(single), key=numbers.__getitem__)
    tokens = single + merges
    return Training(tokens, trainer.get_word_count(), bert_files(tokens, config.lowercase))


def bert_tokenizer(tokens: Sequence[str], lowercase: bool) -> Tokenizer:
    """A BERT tokenizer over ``tokens`` that knows no special token in the text: a literal "[MASK]" stays text."""
    vocabulary = {token: number for number, token in enumerate(tokens)}
    model = models.WordPiece(
        vocabulary,
        unk_token="[UNK]",
        continuing_subword_prefix=CONTINUATION,
        max_input_chars_per_word=MAX_CHARACTERS_PER_WORD,
    )
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=lowercase)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def bert_files(tokens: Sequence[str], lowercase: bool) -> dict[str, bytes]:
    """The files of a BERT vocabulary: Google's vocab.txt, and what transformers.AutoTokenizer loads."""
    return {
        VOCAB_NAME: vocab_txt(tokens),
        TOKENIZER_NAME: tokenizer_json(tokens, lowercase).encode(),
        TOKENIZER_CONFIG_NAME: json_text(
            {
                # Not BertTokenizer, which goes by its own rules: words over 100 characters are unknown to it.
                "tokenizer_class": "PreTrainedTokenizerFast",
                "do_lower_case": lowercase,
                "model_input_names": ["input_ids", "token_type_ids", "attention_mask"],
                **dict(zip(("pad_token", "unk_token", "cls_token", "sep_token", "mask_token"), SPECIAL_TOKENS, strict=True)),
            }
        ),
    }


def tokenizer_json(tokens: Sequence[str], lowercase: bool) -> str:
    """The content of tokenizer.json for other programs: with special tokens, [CLS] A [SEP] B [SEP], and a decoder."""
    tokenizer = bert_tokenizer(tokens, lowercase)
    tokenizer.add_special_tokens(list(SPECIAL_TOKENS))
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", tokens.index("[SEP]")), ("[CLS]", tokens.index("[CLS]")))
    tokenizer.decoder = decoders.WordPiece(prefix=CONTINUATION)
    return str(tokenizer.to_str(pretty=True))


def _alphabet(lines: pa.Array | pa.ChunkedArray, normalizer: normalizers.Normalizer, limit: int) -> list[str]:
    """The ``limit`` most frequent characters of the normalised lines, by code point; of equal ones the lower code points."""
    raw = np.zeros(0x110000, np.int64)
    for batch in _batches(lines):
        points = np.frombuffer("".join(batch).encode("utf-32-le"), np.uint32)
        raw += np.bincount(points, minlength=len(raw))
    counts: dict[str, int] = {}
    for point in np.flatnonzero(raw).tolist():
        for letter in normalizer.normalize_str(chr(point)):  # the normaliser works character by character
            if not letter.isspace():
                counts[letter] = counts.get(letter, 0) + int(raw[point])
    return sorted(sorted(counts, key=lambda letter: (-counts[letter], letter))[:limit])


def _batches(lines: pa.Array | pa.ChunkedArray) -> Iterator[list[str]]:
    for start in range(0, len(lines), _BATCH):
        yield lines[start : start + _BATCH].to_pylist()
