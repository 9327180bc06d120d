"""SentencePiece vocabularies, unigram (Kudo 2018) or BPE: converted to a BERT vocabulary, or kept as a model."""

import io
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pyarrow as pa
from sentencepiece import SentencePieceNormalizer, SentencePieceProcessor, SentencePieceTrainer

from threadmill.errors import ConfigError, InputError
from threadmill.vocab.config import BERT_FORM, Training, VocabularyConfig
from threadmill.vocab.conversion import bert_tokens, smallest_size
from threadmill.vocab.normalisation import bert_words, sentencepiece_words
from threadmill.vocab.sentencepiece_files import MODEL_SPECIALS, sentencepiece_files, with_exact_scores
from threadmill.vocab.styles import WORD_START
from threadmill.vocab.word_counts import Words, count_words, frequent_characters
from threadmill.vocab.wordpiece import MAX_CHARACTERS_PER_WORD, bert_files

log = logging.getLogger(__name__)

_RESERVED = "▅"  # the trainer's own mark of an unknown character; it skips what holds it
_MAX_CHARACTERS = 4000  # of a stretch without white space; the trainer numbers places in 16 bits
_MAX_SEED_BYTES = 64 << 20
# Sums of floating-point numbers differ with the number of threads, so that it must not depend on the machine.
_THREADS = 4


def train_sentencepiece(lines: pa.Array | pa.ChunkedArray, config: VocabularyConfig) -> Training:
    """Trains a vocabulary of a sentencepiece kind on ``lines`` (large_string), in whatever order they stand.

    Raises:
        ConfigError: ``vocab_size`` cannot hold the alphabet.
        InputError: no line has a word.
    """
    return _train_bert(lines, config) if config.form == BERT_FORM else _train_model(lines, config)


def _train_bert(lines: pa.Array | pa.ChunkedArray, config: VocabularyConfig) -> Training:
    words, alphabet = _words(lines, bert_words(config.lowercase), config)
    _check_size(config, smallest_size(alphabet), len(alphabet), "(each bare and as a continuation)")
    known = frozenset(alphabet) - {WORD_START, _RESERVED}
    fit = [(word, count) for word, count in words if len(word) <= MAX_CHARACTERS_PER_WORD and known.issuperset(word)]
    log.info("vocabulary: %d of %d distinct words have all their characters in the alphabet", len(fit), len(words))
    pieces: list[str] = []
    if fit:
        # Room for what becomes no new entry: the model's <unk>, the characters, and those that begin a word.
        size = config.vocab_size - smallest_size(alphabet) + 2 * len(alphabet) + 2
        processor = SentencePieceProcessor(
            model_proto=_train(fit, config, size, normalization_rule_name="identity", bos_id=-1, eos_id=-1, unk_id=0)
        )
        pieces = [processor.id_to_piece(number) for number in range(1, len(processor))]
    frequent = [WORD_START + word for word, count in fit if count >= config.min_frequency]  # where the model is too small
    tokens = bert_tokens([*pieces, *frequent], alphabet, config.vocab_size)
    return Training(tokens, len(words), bert_files(tokens, config.lowercase))


def _train_model(lines: pa.Array | pa.ChunkedArray, config: VocabularyConfig) -> Training:
    rule = "nmt_nfkc_cf" if config.lowercase else "nmt_nfkc"
    words, alphabet = _words(lines, _without_marks(rule), config)
    smallest = len(MODEL_SPECIALS) + len(alphabet) + 1
    _check_size(config, smallest, len(alphabet), f"and {WORD_START}")
    fit = _stretches(words, frozenset(alphabet))
    specials = {f"{name}_{what}": value for number, (name, piece) in enumerate(MODEL_SPECIALS.items()) if name != "mask"
                for what, value in (("id", number), ("piece", piece))}  # fmt: skip
    specials["control_symbols"] = MODEL_SPECIALS["mask"]
    model = with_exact_scores(_train(fit, config, config.vocab_size, normalization_rule_name=rule, **specials))
    processor = SentencePieceProcessor(model_proto=model)
    tokens = [processor.id_to_piece(number) for number in range(len(processor))]
    return Training(tokens, len(words), sentencepiece_files(model, config.kind))


def _words(
    lines: pa.Array | pa.ChunkedArray, words_of: Callable[[str], Sequence[str]], config: VocabularyConfig
) -> tuple[Words, list[str]]:
    """The words of the lines, and the alphabet."""
    words = count_words(lines, words_of)
    if not words:
        raise InputError("no line of the corpus has a word; name a corpus with text")
    return words, frequent_characters(words, config.limit_alphabet)


def _check_size(config: VocabularyConfig, smallest: int, characters: int, forms: str) -> None:
    if config.vocab_size < smallest:
        raise ConfigError(
            f"vocab_size {config.vocab_size} cannot hold 5 special tokens and {characters} characters {forms}; "
            f"raise it to {smallest} or more, or lower limit_alphabet"
        )


def _without_marks(rule: str) -> Callable[[str], Sequence[str]]:
    """Words without the characters that mean something to the trainer."""
    words_of = sentencepiece_words(SentencePieceNormalizer(rule_name=rule))
    return lambda chunk: [part for word in words_of(chunk) for part in word.replace(_RESERVED, " ").split()]


def _stretches(words: Words, known: frozenset[str]) -> Words:
    """The words' parts whose characters are all known, cut where they are too long for the trainer."""
    counts: dict[str, int] = {}
    long = 0
    for word, count in words:
        text = word if known.issuperset(word) else "".join(letter if letter in known else " " for letter in word)
        long += len(word) > _MAX_CHARACTERS
        for part in text.split(" "):
            for start in range(0, len(part), _MAX_CHARACTERS):
                piece = part[start : start + _MAX_CHARACTERS]
                counts[piece] = counts.get(piece, 0) + count
    if long:
        log.info("vocabulary: %d stretches without white space were cut to %d characters for the trainer", long, _MAX_CHARACTERS)
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _train(words: Words, config: VocabularyConfig, size: int, **settings: Any) -> bytes:
    """The serialized model of ``size`` pieces, or of as many as there are."""
    model = io.BytesIO()
    unigram = config.kind == "sentencepiece-unigram"
    longest = max(len(word.encode()) for word, _ in words)
    try:
        SentencePieceTrainer.Train(
            sentence_iterator=_unigram_rows(words) if unigram else _rows(words),
            input_format="tsv",
            model_writer=model,
            model_type="unigram" if unigram else "bpe",
            vocab_size=size,
            hard_vocab_limit=False,
            character_coverage=1.0,
            max_sentence_length=2 * longest + 32,
            num_threads=_THREADS,
            minloglevel=2,
            **{"pad_id": -1, **settings},
        )
    except (RuntimeError, OSError) as error:  # whatever the library's own checks find
        reason = " ".join(str(error).split())
        raise ConfigError(
            f"SentencePiece cannot train {config.kind} of {config.vocab_size} entries ({reason}); try another size"
        ) from error
    return model.getvalue()


def _rows(words: Words) -> Iterator[str]:
    """The trainer's input: a text and a tab and how often it occurs."""
    return (f"{word}\t{count}" for word, count in words)


def _unigram_rows(words: Words) -> Iterator[str]:
    """The same for the unigram trainer, whose first candidates are strings with different characters after them.

    A list of words would hide a word that begins no other, for what follows is always the row's end. So each word stands
    once before another: the trainer cuts at white space later, and counts as before. It writes a row out as often as it
    occurs, with 13 bytes of memory for each; where that would be too much, counts are lowered in proportion, but not below 2.
    """
    share = min(1.0, _MAX_SEED_BYTES / sum(count * (len(word.encode()) + 4) for word, count in words))
    counts = [count if share == 1.0 else max(min(count, 2), round(count * share)) for _, count in words]
    several = [word for (word, _), count in zip(words, counts, strict=True) if count > 1]
    for word, following in zip(several, several[1:] + several[:1], strict=True):
        yield f"{word} {following}\t1"
    for (word, _), count in zip(words, counts, strict=True):
        if count != 2:
            yield f"{word}\t{count - 2 if count > 2 else 1}"
