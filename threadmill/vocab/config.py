"""What a vocabulary is made with: its settings, and the kinds there are."""

from dataclasses import dataclass

from threadmill.config import check_settings, setting

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")

# The registry of vocabulary kinds: the function that trains one, loaded only where it is called.
KINDS = {"wordpiece": "threadmill.vocab.wordpiece:train_wordpiece"}


@dataclass(frozen=True)
class VocabularyConfig:
    """What a vocabulary depends on besides its corpus."""

    kind: str = setting("wordpiece", "Subword algorithm", choices=tuple(KINDS))
    vocab_size: int = setting(8192, "Entries at most, special tokens included", minimum=len(SPECIAL_TOKENS) + 1)
    min_frequency: int = setting(2, "A pair of subwords seen less often is not merged", minimum=1)
    lowercase: bool = setting(True, "Lower-case the text and strip its accents first, as BERT's uncased models do")
    limit_alphabet: int = setting(
        1000, "Single characters at most, the most frequent ones; words with others become [UNK]", minimum=1
    )
    sample_lines: int = setting(5_000_000, "Lines to train on at most, drawn at random from all shards", minimum=1)
    held_out_lines: int = setting(
        20_000, "Lines at most on which the rate of [UNK] is measured; they are not trained on", minimum=1
    )
    seed: int = setting(0, "Seed of the sample")

    def __post_init__(self) -> None:
        check_settings(self)


@dataclass(frozen=True)
class Training:
    """What the trainer of a kind gives: the tokens in the order of their ids, and the distinct words it saw."""

    tokens: list[str]
    distinct_words: int
