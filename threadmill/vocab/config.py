"""What a vocabulary is made with: its settings, and the kinds there are."""

from collections.abc import Mapping
from dataclasses import dataclass

from threadmill.config import check_settings, setting
from threadmill.errors import ConfigError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

# The registry of vocabulary kinds: the function that trains one, loaded only where it is called.
KINDS = {
    "wordpiece": "threadmill.vocab.wordpiece:train_wordpiece",
    "sentencepiece-unigram": "threadmill.vocab.sentencepiece_training:train_sentencepiece",
    "sentencepiece-bpe": "threadmill.vocab.sentencepiece_training:train_sentencepiece",
    "bytelevel-bpe": "threadmill.vocab.bytelevel:train_bytelevel",
}
_MOST_ENTRIES = 4_000_000  # trainers make room for all of them at once
_MOST_SEED = 10**15  # what any reader of JSON keeps whole
BERT_FORM, SENTENCEPIECE_FORM = "bert", "sentencepiece"


@dataclass(frozen=True)
class VocabularyConfig:
    """What a vocabulary depends on besides its corpus. ``form`` is "" where the kind has only one."""

    kind: str = setting("wordpiece", "Subword algorithm", choices=tuple(KINDS))
    form: str = setting(
        "",
        "What a sentencepiece kind becomes: bert, a vocabulary for BERT's tokenizer (the default), or sentencepiece, a .model",
    )
    vocab_size: int = setting(
        8192, "Entries at most, special tokens included", minimum=len(SPECIAL_TOKENS) + 1, maximum=_MOST_ENTRIES
    )
    min_frequency: int = setting(2, "A pair of subwords seen less often is not merged (wordpiece and bytelevel-bpe)", minimum=1)
    lowercase: bool = setting(
        True, "Lower-case the text first; for BERT's tokenizer also strip its accents, as BERT's uncased models do"
    )
    limit_alphabet: int = setting(
        1000,
        "Single characters at most, the most frequent ones; words with others become [UNK] (bytelevel-bpe has all 256 bytes)",
        minimum=1,
    )
    sample_lines: int = setting(5_000_000, "Lines to train on at most, drawn at random from all shards", minimum=1)
    held_out_lines: int = setting(
        20_000, "Lines at most on which the rate of [UNK] is measured; they are not trained on", minimum=1
    )
    seed: int = setting(0, "Seed of the sample", minimum=-_MOST_SEED, maximum=_MOST_SEED)

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.kind.startswith("sentencepiece"):
            if self.form:
                raise ConfigError(f"form is {self.form!r}, but {self.kind} has no forms; leave it out")
        elif not self.form:
            object.__setattr__(self, "form", BERT_FORM)
        elif self.form not in (BERT_FORM, SENTENCEPIECE_FORM):
            raise ConfigError(f"form is {self.form!r}; use {BERT_FORM} or {SENTENCEPIECE_FORM}")

    @property
    def is_bert(self) -> bool:
        """True where the vocabulary is one for BERT's tokenizer: bare word starts, ``##`` inside words."""
        return self.kind == "wordpiece" or self.form == BERT_FORM


@dataclass(frozen=True)
class CheckConfig:
    """What a vocabulary must keep to against a corpus; `threadmill.vocab.check` measures it."""

    max_unknown_rate: float = setting(0.01, "Words at most that become [UNK], as a share", minimum=0, maximum=1)
    min_character_coverage: float = setting(
        0.999,
        "Characters of the text at least that the vocabulary has, at a word's beginning and inside it",
        minimum=0,
        maximum=1,
    )
    max_tokens_per_word: float = setting(3.0, "Tokens a word at most, on average", minimum=1)
    sample_lines: int = setting(1_000_000, "Lines to measure on at most, drawn at random from all splits", minimum=1)
    seed: int = setting(0, "Seed of the sample", minimum=-_MOST_SEED, maximum=_MOST_SEED)

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class Training:
    """What the trainer of a kind gives.

    Attributes:
        tokens: in the order of their ids.
        distinct_words: how many the trainer saw.
        files: the dataset's files, the one with a token a line first.
    """

    tokens: list[str]
    distinct_words: int
    files: Mapping[str, bytes]
