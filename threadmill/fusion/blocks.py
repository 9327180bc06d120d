"""Blocks of comments reduced, as they are read, to what conversations need."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from threadmill.conversations.config import ConversationsConfig, ThreadsConfig
from threadmill.conversations.examples import PREPARED_COLUMNS
from threadmill.conversations.placement import POSITION_BITS, place
from threadmill.conversations.rules import prepare
from threadmill.corpora.reddit.comments import DeadLetter, Parsed
from threadmill.corpora.reddit.opt_outs import leave_out
from threadmill.datasets.counters import Counters
from threadmill.takedown.ledger import Ledger


class OnePassConfig(ThreadsConfig, ConversationsConfig):
    """The settings that decide what is left of a comment."""


@dataclass(frozen=True)
class Reduced:
    """What a block of a source gave.

    Attributes:
        comments: PREPARED_COLUMNS, bodies cut to one character over the limit, with ``faults``; ``place``, Int64: the number of
            the split and, in the lower bits, the thread's position; and ``removed`` and ``source_row``, by which duplicates are
            settled.
        letters: lines of no use.
        counters: lines read and dropped.
        months: comments a month.
        body_bytes: of the bodies as they were.
        partial: why the source ended too early, if it did.
    """

    comments: pl.DataFrame
    letters: Sequence[DeadLetter]
    counters: Counters
    months: Mapping[str, int]
    body_bytes: int
    partial: str


def reduce_block(parsed: Parsed, config: OnePassConfig, ledger: Ledger) -> Reduced:
    """The comments of a block, without those that the ledger names."""
    parsed, taken_down = leave_out(parsed, ledger)
    counters = Counters(read=parsed.lines)
    for letter in parsed.letters:
        counters.drop(letter.reason)
    counters.drop("taken_down", taken_down)
    comments = parsed.comments
    split, position = place(comments["thread_id"], config)
    prepared = prepare(comments, config)
    reduced = prepared.select(
        *(name for name in PREPARED_COLUMNS if name not in ("body", "is_new")),
        _compact(prepared["body"].str.head(config.max_length + 1)),
        "faults",
        (pl.col("month") == config.month if config.month else pl.lit(True)).alias("is_new"),
        pl.col("removal").is_not_null().alias("removed"),
        "source_row",
        pl.Series("place", (split.astype("int64") << POSITION_BITS) | position),
    )
    months = dict(comments["month"].value_counts().iter_rows())
    reduced = reduced[np.arange(reduced.height)]  # a copy: the columns of a block share memory with those that are not held
    return Reduced(reduced, parsed.letters, counters, months, int(comments["body"].str.len_bytes().sum()), parsed.partial)


def _compact(texts: pl.Series) -> pl.Series:
    """The same texts in memory of their own: views would hold on to all that was cut off."""
    return pl.Series(texts.name, texts.to_arrow(compat_level=pl.CompatLevel.oldest()))


def without_duplicates(comments: pl.DataFrame, *, prefer_original: bool) -> tuple[pl.DataFrame, int]:
    """The comments less those whose id another has that stays (see sql/duplicate_comments.sql), and how many went."""
    submission = pl.col("parent_kind") == "none"
    keys = comments.select(pl.struct("thread_id", "id", submission).hash()).to_series()
    if keys.n_unique() == comments.height:
        return comments, 0
    rank = [~pl.col("removed"), pl.col("source_row")] if prefer_original else [pl.col("source_row")]
    key = ("thread_id", "id", submission)
    unique = comments.filter(pl.struct(rank).rank("ordinal").over(key) == pl.len().over(key))
    return unique, comments.height - unique.height
