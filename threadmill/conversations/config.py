"""Settings of the threads and conversations stages, and the presets that bring them together."""

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction

from threadmill.config import check_settings, setting
from threadmill.conversations.rules_config import RulesConfig
from threadmill.datasets.shards import MAX_SHARDS
from threadmill.errors import ConfigError
from threadmill.months import check_month

SPLITS = ("train", "validation", "test")
FORMATS = ("tfrecord", "jsonl", "parquet", "parlai")

FAILED_TURNS = {
    "cut": "older turns end before it (not for its length, to which older turns are trimmed)",
    "drop": "the examples that would hold it go",
    "subtree": "all comments below it go",
}


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
        below: int = math.ceil(fraction * 16**self.digits)
        return max(0, below - self.offset)


SPLIT_RULES = {
    # 1.0 means all: 60 bits, so each fraction is met to 18 digits.
    "exact": SplitRule(first_digit=1, digits=15, offset=0),
    # (1 + md5 % 4096) / 4096 < train_split: the reference pipeline's, which at 1.0 still sends 1 in 4096 to test.
    "polyai": SplitRule(first_digit=30, digits=3, offset=1),
}


@dataclass(frozen=True)
class ThreadsConfig:
    """Settings of the threads stage. The splits are fractions of the threads."""

    month: str = setting("", "Month (YYYY-MM) whose comments are new; others are context only. Empty: all are new")
    train_split: float = setting(0.9, "Fraction of the threads for training", minimum=0, maximum=1)
    validation_split: float = setting(0.05, "Fraction of the threads for validation", minimum=0, maximum=1)
    test_split: float = setting(0.05, "Fraction of the threads for testing", minimum=0, maximum=1)
    num_shards_train: int = setting(0, "Train shards; 0: one in about 128 MB of text", minimum=0, maximum=MAX_SHARDS)
    num_shards_validation: int = setting(0, "Validation shards; 0: as for train", minimum=0, maximum=MAX_SHARDS)
    num_shards_test: int = setting(0, "Test shards; 0: as for train", minimum=0, maximum=MAX_SHARDS)
    split_rule: str = setting("exact", "How a thread's MD5 becomes its split", choices=tuple(SPLIT_RULES))
    prefer_original: bool = setting(True, "Of duplicates, one with its text beats one whose text was removed; else the last wins")

    def __post_init__(self) -> None:
        check_settings(self)
        if self.month:
            check_month(self.month)
        total = sum(self.fraction(split) for split in SPLITS)
        if total != 1:
            parts = " + ".join(f"{split} {float(self.fraction(split)):g}" for split in SPLITS)
            raise ConfigError(f"the splits do not add up to 1: {parts} = {float(total):g}; change one of them")

    def fraction(self, split: str) -> Fraction:
        """The split's fraction, exactly as it was written: 0.1 is one tenth."""
        return Fraction(str(getattr(self, f"{split}_split")))

    def num_shards(self, split: str) -> int:
        """The split's number of shards, 0 for auto."""
        return int(getattr(self, f"num_shards_{split}"))


@dataclass(frozen=True)
class TurnsConfig:
    """How turns are brought together, with the reference pipeline's names."""

    parent_depth: int = setting(10, "Turns before the response at most", minimum=1, maximum=100)
    format: str = setting("tfrecord", "How examples are written", choices=FORMATS)
    titles: bool = setting(False, "The submission, where it is there, is the first turn of its thread")
    self_text: bool = setting(False, "With titles: the submission's own text follows its title")
    failed_turn: str = setting(
        "cut",
        "What of an older turn that breaks a rule: " + "; ".join(f"{name}: {does}" for name, does in FAILED_TURNS.items()),
        choices=tuple(FAILED_TURNS),
    )
    max_depth: int = setting(0, "Deepest response in its thread; a top-level comment is at 1. 0: any", minimum=0)
    max_dialogue_words: int = setting(0, "Most words of an example, all turns together; 0: any", minimum=0)
    cut_at_tombstones: bool = setting(True, "Older turns end before one whose text was removed")
    parent_kinds: bool = setting(True, "A submission's id is not taken for a comment's")
    all_tombstones: bool = setting(True, "Every text that stands for a removed one counts, not only [deleted] and [removed]")
    unescape_html: bool = setting(True, "&gt;, &lt; and &amp; become >, < and &, once")
    hard_cut: bool = setting(True, "An older turn that is one word over the limit is cut in its middle, not emptied")


@dataclass(frozen=True)
class ConversationsConfig(RulesConfig, TurnsConfig):
    """Settings of the conversations stage: how turns are brought together, and which comments can be turns."""

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


_DEFAULT = ConversationsConfig(drop_bots=True, drop_echoes=True, personal_data="mask")

# Roller et al. 2020, "Recipes for building an open-domain chatbot" (arXiv:2004.13637), section 5.1. Its 128 subwords are counted
# as tokens of rules.words, of which a text has no more than subwords; "over 2048 characters" and "without a space" are one rule
# there, and max_length adds that no longer comment passes: with spaces it is over 128 subwords anyway.
_BLENDER = ConversationsConfig(
    parent_depth=7,
    max_length=2048,
    min_length=5,
    max_unspaced_length=2048,
    max_tokens=128,
    max_depth=7,
    failed_turn="subtree",
    drop_bots=True,
    skip_subreddits="@non-english",
    drop_urls=True,
    drop_non_ascii_start=True,
)

# Zhang et al. 2020, "DialoGPT" (arXiv:1911.00536), section 3, and its reddit_extractor. There, some rules look at the response
# alone (score, long words, repeats, blocklist), and a turn of over 30 words ends the chain before it; here, a turn that
# breaks any rule drops the examples that would hold it. The blocklist is the user's to give.
_DIALOGPT = ConversationsConfig(
    parent_depth=4,
    max_length=1000,
    min_length=1,
    min_words=2,
    max_words=30,
    max_word_length=30,
    max_dialogue_words=200,
    failed_turn="drop",
    min_score=1,
    drop_quotes="any",
    drop_urls=True,
    drop_brackets=True,
    drop_shouting=True,
    drop_repeats=True,
)

PRESETS = {
    "default": Preset(
        "the reference pipeline's method with its faults mended; no bots, no echoes, e-mail addresses and phone numbers masked",
        conversations=_DEFAULT,
    ),
    "polyai": Preset(
        "the same examples and the same split as PolyAI's conversational-datasets",
        ThreadsConfig(validation_split=0.0, test_split=0.1, split_rule="polyai", prefer_original=False),
        ConversationsConfig(
            cut_at_tombstones=False, parent_kinds=False, all_tombstones=False, unescape_html=False, hard_cut=False
        ),
    ),
    "blender": Preset("the filters of BlenderBot (Roller et al. 2020)", conversations=_BLENDER),
    "dialogpt": Preset("the filters of DialoGPT (Zhang et al. 2020)", conversations=_DIALOGPT),
    "title": Preset("as default, with the submission's title as the first turn", conversations=replace(_DEFAULT, titles=True)),
}


def find_preset(name: str) -> Preset:
    """The preset of that name.

    Raises:
        ConfigError: there is none.
    """
    if name not in PRESETS:
        raise ConfigError(f"there is no preset {name!r}; use one of {', '.join(PRESETS)}")
    return PRESETS[name]
