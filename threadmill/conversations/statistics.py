"""Statistics of a conversations dataset: lengths, turns and subreddits, counted shard by shard in bounded memory."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import polars as pl

from threadmill.conversations.reading import read_examples
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Field

CONVERSATIONS = ("conversations", "deduplicate", "dialogues")  # the stages whose datasets hold examples
STATISTICS_COLUMNS = ("context", "response", "subreddit", "created_utc")
_EXTRA_CONTEXT = re.compile(r"^context/(\d+)$")
_NO_SUBREDDIT = "(none)"


@dataclass(frozen=True)
class Distribution:
    """How often each whole number occurs: exact, and no larger than the numbers are many."""

    counts: Mapping[int, int]

    @property
    def total(self) -> int:
        """How many numbers there are in all."""
        return sum(self.counts.values())

    @property
    def mean(self) -> float:
        """Their mean; 0 of none."""
        return sum(value * count for value, count in self.counts.items()) / max(self.total, 1)

    @property
    def maximum(self) -> int:
        """The greatest; 0 of none."""
        return max(self.counts, default=0)

    def percentile(self, fraction: float) -> int:
        """The nearest-rank percentile: the least number that at least ``fraction`` of all do not exceed; 0 of none."""
        wanted = fraction * self.total
        seen = 0
        for value, count in sorted(self.counts.items()):
            seen += count
            if seen >= wanted and seen > 0:
                return value
        return self.maximum


@dataclass(frozen=True)
class ConversationStatistics:
    """What the examples of a dataset, or of one shard, are like.

    Attributes:
        examples: how many.
        context_chars: lengths of ``context`` (the turn answered to), in Unicode code points.
        response_chars: lengths of ``response``.
        turns: turns an example: response, context and the extra contexts before it.
        subreddits: examples of each subreddit.
        months: examples of each month (YYYY-MM, UTC) in which responses were written, as far as the examples tell.
    """

    examples: int
    context_chars: Distribution
    response_chars: Distribution
    turns: Distribution
    subreddits: Mapping[str, int]
    months: Mapping[str, int] = field(default_factory=dict)

    def top_subreddits(self, count: int) -> list[tuple[str, int]]:
        """The ``count`` subreddits with most examples, by that, then by name."""
        return sorted(self.subreddits.items(), key=lambda item: (-item[1], item[0]))[:count]


def extra_contexts(schema: Iterable[Field]) -> list[str]:
    """The names of the features ``context/0``, ``context/1``, ... that a schema has, most recent turn first."""
    numbers = sorted(int(match[1]) for field in schema if (match := _EXTRA_CONTEXT.match(field.name)))
    return [f"context/{number}" for number in numbers]


def conversation_statistics(uri: str, workers: int = 2) -> ConversationStatistics:
    """The statistics of the conversations dataset at ``uri``. Memory is bounded by ``workers`` shards.

    Raises:
        InputError: no dataset there.
        IntegrityError: a damaged shard.
    """
    dataset = Dataset.open(uri, *CONVERSATIONS)
    extras = extra_contexts(dataset.manifest.schema)
    paths = [dataset.path(shard) for shard in dataset.shards() if shard.records]
    with ThreadPoolExecutor(max_workers=workers) as pool:  # decoding is native code that lets other threads run
        return merge_statistics(pool.map(lambda path: shard_statistics(path, extras), paths))


def shard_statistics(uri: str, extras: Sequence[str]) -> ConversationStatistics:
    """The statistics of one shard; ``extras`` names its features for extra contexts."""
    return frame_statistics(read_examples(uri, [*STATISTICS_COLUMNS, *extras]), extras)


def frame_statistics(frame: pl.DataFrame, extras: Sequence[str]) -> ConversationStatistics:
    """The statistics of examples that were read with STATISTICS_COLUMNS and ``extras``."""
    turns = pl.sum_horizontal(pl.lit(2), *(pl.col(name).is_not_null() for name in extras))
    measured = frame.select(
        context=pl.col("context").str.len_chars(),
        response=pl.col("response").str.len_chars(),
        turns=turns,
        subreddit=pl.col("subreddit").fill_null(_NO_SUBREDDIT),
        month=pl.from_epoch(pl.col("created_utc").cast(pl.Int64, strict=False)).dt.truncate("1mo"),
    )
    return ConversationStatistics(
        examples=frame.height,
        context_chars=Distribution(_counts(measured["context"])),
        response_chars=Distribution(_counts(measured["response"])),
        turns=Distribution(_counts(measured["turns"])),
        subreddits=_counts(measured["subreddit"]),
        months={f"{month:%Y-%m}": count for month, count in _counts(measured["month"]).items()},
    )


def merge_statistics(parts: Iterable[ConversationStatistics]) -> ConversationStatistics:
    """The statistics of several shards together; their order does not matter."""
    examples = 0
    context: Counter[int] = Counter()
    response: Counter[int] = Counter()
    turns: Counter[int] = Counter()
    subreddits: Counter[str] = Counter()
    months: Counter[str] = Counter()
    for part in parts:
        examples += part.examples
        context.update(part.context_chars.counts)
        response.update(part.response_chars.counts)
        turns.update(part.turns.counts)
        subreddits.update(part.subreddits)
        months.update(part.months)
    lengths = (Distribution(context), Distribution(response), Distribution(turns))
    return ConversationStatistics(examples, *lengths, subreddits, months)


def _counts(series: pl.Series) -> dict:  # type: ignore[type-arg]
    counted = series.drop_nulls().value_counts(name="count")
    return dict(zip(counted[series.name].to_list(), counted["count"].to_list(), strict=True))
