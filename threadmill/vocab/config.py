"""What a vocabulary is made with: its settings, and the kinds there are."""

from dataclasses import dataclass

from threadmill.errors import ConfigError

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

# The registry of vocabulary kinds: the function that trains one, loaded only where it is called.
KINDS = {"wordpiece": "threadmill.vocab.wordpiece:train_wordpiece"}


@dataclass(frozen=True)
class VocabularyConfig:
    """What a vocabulary depends on besides its corpus.

    Attributes:
        kind: the subword algorithm, one of `KINDS`.
        vocab_size: entries at most, specials included.
        min_frequency: a pair of subwords that is seen less often is not merged.
        lowercase: lower-case the text and strip its accents first (BERT's uncased models).
        limit_alphabet: single characters at most, the most frequent ones; words with others become [UNK].
        sample_lines: lines to train on at most, drawn at random from all shards.
        held_out_lines: lines at most on which the rate of [UNK] is measured; they are not trained on.
        seed: of the sample.
    """

    kind: str = "wordpiece"
    vocab_size: int = 8192
    min_frequency: int = 2
    lowercase: bool = True
    limit_alphabet: int = 1000
    sample_lines: int = 5_000_000
    held_out_lines: int = 20_000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ConfigError(f"kind {self.kind!r} is no kind of vocabulary; choose one of {', '.join(KINDS)}")
        if self.vocab_size <= len(SPECIAL_TOKENS):
            raise ConfigError(
                f"vocab_size {self.vocab_size} leaves nothing beside the {len(SPECIAL_TOKENS)} special tokens; "
                "8192 suits a small corpus, 30000 a large one"
            )
        for name in ("min_frequency", "limit_alphabet", "sample_lines", "held_out_lines"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}; set 1 or more")


@dataclass(frozen=True)
class Training:
    """What the trainer of a kind gives: the tokens in the order of their ids, and the distinct words it saw."""

    tokens: list[str]
    distinct_words: int
