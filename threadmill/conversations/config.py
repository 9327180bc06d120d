"""Settings of the threads and conversations stages, and the presets that bring them together."""

import math
from dataclasses import dataclass, field
from fractions import Fraction

from threadmill.datasets.shards import MAX_SHARDS
from threadmill.errors import ConfigError
from threadmill.months import check_month

SPLITS = ("train", "validation", "test")
FORMATS = ("tfrecord", "jsonl")


@dataclass(frozen=True)
class SplitRule:
    """How the MD5 of a thread's id becomes its split.

    ``digits`` hexadecimal digits from ``first_digit`` (of 32, from 1) give a number; ``offset`` is added; below the
    train fraction of its range the thread is train, and so on.
    """

    first_digit: int
    digits: int
    offset: int

    def edge(self, fraction: Fraction) -> int:
        """How many of the rule's numbers lie below ``fraction`` of its range."""
        return max(0, math.ceil(fraction * 16**self.digits) - self.offset)


SPLIT_RULES = {
    # 1.0 means all: 60 bits, so each fraction is met to 18 digits.
    "exact": SplitRule(first_digit=1, digits=15, offset=0),
    # (1 + md5 % 4096) / 4096 < train_split: the reference pipeline's, which at 1.0 still sends 1 in 4096 to test.
    "polyai": SplitRule(first_digit=30, digits=3, offset=1),
}


@dataclass(frozen=True)
class ThreadsConfig:
    """Settings of the threads stage.

    Attributes:
        month: YYYY-MM of the comments that are new; others are context only. Empty: all are new.
        train_split, validation_split, test_split: fractions of threads, adding up to 1.
        split_rule: a key of SPLIT_RULES.
        num_shards_train, num_shards_validation, num_shards_test: shards a split; 0 for one in about 128 MB of text.
        prefer_original: of duplicates, one with its text beats one whose text was removed; else the last read wins.
    """

    month: str = ""
    train_split: float = 0.9
    validation_split: float = 0.05
    test_split: float = 0.05
    split_rule: str = "exact"
    num_shards_train: int = 0
    num_shards_validation: int = 0
    num_shards_test: int = 0
    prefer_original: bool = True

    def __post_init__(self) -> None:
        if self.month:
            check_month(self.month)
        if self.split_rule not in SPLIT_RULES:
            raise ConfigError(f"split_rule is {self.split_rule!r}; use one of {', '.join(SPLIT_RULES)}")
        for split in SPLITS:
            if not 0 <= self.fraction(split) <= 1:
                raise ConfigError(f"{split}_split is {float(self.fraction(split))}; it must be from 0 to 1")
            if not 0 <= self.num_shards(split) <= MAX_SHARDS:
                raise ConfigError(
                    f"num_shards_{split} is {self.num_shards(split)}; it must be from 1 to {MAX_SHARDS}, or 0 for auto"
                )
        total = sum(self.fraction(split) for split in SPLITS)
        if total != 1:
            parts = " + ".join(f"{split} {float(self.fraction(split))}" for split in SPLITS)
            raise ConfigError(f"the splits do not add up to 1: {parts} = {float(total)}; change one of them")

    def fraction(self, split: str) -> Fraction:
        """The split's fraction, exactly as it was written: 0.1 is one tenth."""
        return Fraction(str(getattr(self, f"{split}_split")))

    def num_shards(self, split: str) -> int:
        """The split's number of shards, 0 for auto."""
        return int(getattr(self, f"num_shards_{split}"))


@dataclass(frozen=True)
class ConversationsConfig:
    """Settings of the conversations stage, with the reference pipeline's names.

    Attributes:
        parent_depth: turns before the response at most: the context and parent_depth - 1 extra contexts.
        max_length: characters of a response and its context at most; older contexts are trimmed to it.
        min_length: characters of a response and its context at least.
        format: "tfrecord" or "jsonl".
        cut_at_tombstones: no removed turn in any context: the older turns end before it.
        parent_kinds: a submission's id is not taken for a comment's (see `linking.link`).
        all_tombstones: every text that stands for a removed one counts, not only "[deleted]" and "[removed]".
        unescape_html: "&gt;", "&lt;" and "&amp;" become ">", "<" and "&", once.
        hard_cut: see `trimming.trim`.
    """

    parent_depth: int = 10
    max_length: int = 127
    min_length: int = 9
    format: str = "tfrecord"
    cut_at_tombstones: bool = True
    parent_kinds: bool = True
    all_tombstones: bool = True
    unescape_html: bool = True
    hard_cut: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.parent_depth <= 100:
            raise ConfigError(f"parent_depth is {self.parent_depth}; it must be from 1 (the context alone) to 100")
        if self.min_length < 0:
            raise ConfigError(f"min_length is {self.min_length}; it must be 0 or more")
        if self.max_length < max(self.min_length, 1):
            raise ConfigError(
                f"max_length is {self.max_length}; it must be at least 1 and at least min_length ({self.min_length})"
            )
        if self.format not in FORMATS:
            raise ConfigError(f"format is {self.format!r}; use one of {', '.join(FORMATS)}")

    @property
    def extra_contexts(self) -> tuple[str, ...]:
        """The names of the extra contexts, the most recent first."""
        return tuple(f"context/{index}" for index in range(self.parent_depth - 1))


@dataclass(frozen=True)
class Preset:
    """A choice for both stages."""

    description: str
    threads: ThreadsConfig = field(default_factory=ThreadsConfig)
    conversations: ConversationsConfig = field(default_factory=ConversationsConfig)


PRESETS = {
    "default": Preset("the reference pipeline's method with its faults mended"),
    "polyai": Preset(
        "the same examples and the same split as PolyAI's conversational-datasets",
        ThreadsConfig(validation_split=0.0, test_split=0.1, split_rule="polyai", prefer_original=False),
        ConversationsConfig(
            cut_at_tombstones=False, parent_kinds=False, all_tombstones=False, unescape_html=False, hard_cut=False
        ),
    ),
}


def find_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}; use one of {', '.join(PRESETS)}")
    return PRESETS[name]
