"""Limits of the checks of conversations."""

from dataclasses import dataclass

from threadmill.config import check_settings, setting
from threadmill.errors import ConfigError


@dataclass(frozen=True)
class ConversationLimits:
    """What a dataset of conversations must hold to. For its yield: the reference pipeline got 0.1975 from all of Reddit.

    The last three are drift: they hold against an earlier dataset, where one is given and both have 1,000 examples or more.
    """

    min_examples: int = setting(1, "Examples at least, over all splits", minimum=1)
    min_yield: float = setting(0.01, "Examples a comment at least", minimum=0)
    max_yield: float = setting(1.0, "Examples a comment at most", minimum=0)
    max_shared_threads: int = setting(0, "Threads with examples in two splits, at most", minimum=0)
    max_near_duplicates: int = setting(
        -1,
        "Examples that are near-duplicates of one in another split, at most; -1: none where near-duplicates were taken out, "
        "else not looked for",
        minimum=-1,
    )
    max_tombstones: int = setting(0, "Turns that mark a removed comment, at most; not judged where they are left in", minimum=0)
    max_split_deviation: float = setting(
        0.02, "How far a split's part of the threads may be from its fraction, beside chance", minimum=0, maximum=1
    )
    max_yield_change: float = setting(0.5, "How far the yield may be from the earlier one, as a part of that", minimum=0)
    max_length_change: float = setting(
        0.25,
        "How far lengths and turns (mean, median, 95th percentile) may be from the earlier ones, as a part of these",
        minimum=0,
    )
    max_subreddit_distance: float = setting(
        0.5, "Total variation distance from the earlier subreddits' shares of the examples, beside chance", minimum=0, maximum=1
    )

    def __post_init__(self) -> None:
        check_settings(self)
        if self.min_yield > self.max_yield:
            raise ConfigError(f"min_yield is {self.min_yield} and max_yield {self.max_yield}; swap them")
