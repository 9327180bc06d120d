"""What a report tells: everything read from a run's datasets, before any of it is laid out."""

from collections.abc import Sequence
from dataclasses import dataclass

from threadmill.conversations.statistics import ConversationStatistics, conversation_statistics
from threadmill.conversations.yields import comments_of
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.gate import Check
from threadmill.datasets.manifest import Manifest
from threadmill.reports.dialogue import pick_examples
from threadmill.reports.history import MonthFigures, history
from threadmill.reports.run import RunContents, SplitSize, read_run, split_sizes


@dataclass(frozen=True)
class ReportContents:
    """The content of a report on conversations.

    Attributes:
        run: of all the run's datasets.
        conversations: the manifest that the report is about.
        statistics: of the conversations.
        splits: of the conversations.
        top_subreddits: those with most examples, with their numbers.
        examples: some conversations, as mappings of features.
        months: the conversations among those of other months; empty if none were given.
        checks: of the conversations, with their limits and verdicts.
    """

    run: RunContents
    conversations: Manifest
    statistics: ConversationStatistics
    splits: tuple[SplitSize, ...]
    top_subreddits: tuple[tuple[str, int], ...]
    examples: tuple[dict[str, str | None], ...]
    months: tuple[MonthFigures, ...] = ()
    checks: tuple[Check, ...] = ()

    @property
    def from_reddit(self) -> bool:
        """Whether the conversations are Reddit's, and not a dialogue set made elsewhere."""
        return self.conversations.stage != "dialogues"

    @property
    def comments(self) -> int | None:
        """Those that the examples are a fraction of, if that is known."""
        return comments_of(self.conversations)

    @property
    def road_here(self) -> tuple[Manifest, ...]:
        """The manifests up to the conversations': of what they were made from, and their own."""
        manifests = self.run.manifests
        return manifests[: manifests.index(self.conversations) + 1]


def gather(
    datasets: Sequence[Dataset],
    conversations: Dataset,
    *,
    model: Dataset | None,
    evaluation: Dataset | None,
    earlier: Sequence[Dataset] = (),
    checks: Sequence[Check] = (),
    examples: int,
    top_subreddits: int,
) -> ReportContents:
    """Reads what the report tells of the given datasets (all of them, in the road's order).

    Args:
        earlier: conversations of other months, to be plotted beside.

    Raises:
        IntegrityError: a shard, the losses or the evaluation is damaged.
    """
    statistics = conversation_statistics(conversations.uri)
    return ReportContents(
        run=read_run(datasets, model, evaluation),
        conversations=conversations.manifest,
        statistics=statistics,
        splits=split_sizes(conversations),
        top_subreddits=tuple(statistics.top_subreddits(top_subreddits)),
        examples=tuple(pick_examples(conversations.uri, examples)),
        months=tuple(history(earlier, conversations, statistics)),
        checks=tuple(checks),
    )
