"""A dataset of conversations among the months before it: what a report plots over months."""

from collections.abc import Sequence
from dataclasses import dataclass

from threadmill.conversations.statistics import ConversationStatistics, conversation_statistics
from threadmill.conversations.yields import comments_of, first_made
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Manifest


@dataclass(frozen=True)
class MonthFigures:
    """One month's dataset in a few numbers, None where they are not known.

    Attributes:
        label: the month (YYYY-MM) that most responses were written in, or else the dataset's name.
        comments: those whose responses the dataset was to hold.
        examples: that it holds.
        context_chars, response_chars, turns: means.
        removed: share of the comments that are no response because their text was removed.
    """

    label: str
    comments: int | None
    examples: int
    context_chars: float
    response_chars: float
    turns: float
    removed: float | None

    @property
    def examples_a_comment(self) -> float | None:
        """The yield."""
        return self.examples / self.comments if self.comments else None


def history(earlier: Sequence[Dataset], now: Dataset, statistics: ConversationStatistics) -> list[MonthFigures]:
    """The months' figures by their labels; empty where there are no earlier ones. Each dataset is read once.

    Args:
        earlier: conversations datasets of other months; one that is ``now`` itself counts once.
        statistics: of ``now``.

    Raises:
        IntegrityError: a damaged shard.
    """
    others = {dataset.manifest.digest: dataset for dataset in earlier if dataset.manifest.digest != now.manifest.digest}
    if not others:
        return []
    months = [_month(dataset.manifest, conversation_statistics(dataset.uri)) for dataset in others.values()]
    return sorted([*months, _month(now.manifest, statistics)], key=lambda month: month.label)


def _month(manifest: Manifest, statistics: ConversationStatistics) -> MonthFigures:
    comments, made = comments_of(manifest), first_made(manifest)
    most = max(statistics.months.items(), key=lambda item: (item[1], item[0]), default=(manifest.name, 0))
    removed = made.counters.dropped.get("response_tombstone", 0) / comments if made and comments else None
    return MonthFigures(
        label=most[0],
        comments=comments,
        examples=statistics.examples,
        context_chars=statistics.context_chars.mean,
        response_chars=statistics.response_chars.mean,
        turns=statistics.turns.mean,
        removed=removed,
    )
