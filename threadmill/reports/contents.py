"""What a report tells: everything read from a run's datasets, before any of it is laid out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from threadmill.conversations.statistics import ConversationStatistics, conversation_statistics
from threadmill.conversations.yields import comments_of
from threadmill.datasets import storage
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.gate import Check
from threadmill.datasets.manifest import FileEntry, Manifest
from threadmill.reports.dialogue import pick_examples
from threadmill.reports.funnel import FunnelStep, funnel
from threadmill.reports.history import MonthFigures, history
from threadmill.reports.training import LossCurve, read_evaluation, read_losses, unigram_loss

_DEAD_LETTERS_SHOWN = 10


@dataclass(frozen=True)
class SplitSize:
    """One split of a dataset: how much it holds, and the glob pattern of its files."""

    name: str
    examples: int
    shards: int
    bytes: int
    pattern: str


@dataclass(frozen=True)
class DeadLetters:
    """A file of input that could not be used: how much it holds, and its first lines (file, line, reason, detail)."""

    dataset: str
    file: FileEntry
    first: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True)
class ReportContents:
    """The content of a report.

    Attributes:
        conversations: the manifest that the report is about.
        manifests: those of all the run's datasets, in the road's order.
        statistics: of the conversations.
        splits: of the conversations.
        top_subreddits: those with most examples, with their numbers.
        examples: some conversations, as mappings of features.
        losses: of the model's training, by name; empty if there is none.
        evaluation: the numbers of the model's evaluation, by name; empty if there is none.
        dead_letters: of all the datasets.
        months: the conversations among those of other months; empty if none were given.
        checks: of the conversations, with their limits and verdicts.
    """

    conversations: Manifest
    manifests: tuple[Manifest, ...]
    statistics: ConversationStatistics
    splits: tuple[SplitSize, ...]
    top_subreddits: tuple[tuple[str, int], ...]
    examples: tuple[dict[str, str | None], ...]
    losses: dict[str, LossCurve]
    evaluation: dict[str, float]
    dead_letters: tuple[DeadLetters, ...]
    months: tuple[MonthFigures, ...] = ()
    checks: tuple[Check, ...] = ()

    @property
    def comments(self) -> int | None:
        """Those that the examples are a fraction of, if that is known."""
        return comments_of(self.conversations)

    @property
    def steps(self) -> list[FunnelStep]:
        """The funnel over all stages."""
        return funnel(self.manifests)

    @property
    def baseline(self) -> float | None:
        """The loss of the unigram model, if the evaluation tells it."""
        return unigram_loss(self.evaluation)

    @property
    def partial(self) -> list[str]:
        """The names of the datasets that were made from incomplete input."""
        return [manifest.name for manifest in self.manifests if manifest.partial]

    @property
    def road_here(self) -> tuple[Manifest, ...]:
        """The manifests up to the conversations': of what they were made from, and their own."""
        return self.manifests[: self.manifests.index(self.conversations) + 1]

    @property
    def sources(self) -> list[Any]:
        """The raw inputs: those of the road's first stage."""
        first = self.manifests[0].stage
        inputs = [entry for manifest in self.manifests if manifest.stage == first for entry in manifest.inputs]
        return list(dict.fromkeys(inputs))


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
        conversations=conversations.manifest,
        manifests=tuple(dataset.manifest for dataset in datasets),
        statistics=statistics,
        splits=tuple(_split_size(conversations, split) for split in conversations.splits()),
        top_subreddits=tuple(statistics.top_subreddits(top_subreddits)),
        examples=tuple(pick_examples(conversations.uri, examples)),
        losses=read_losses(model.uri) if model else {},
        evaluation=read_evaluation(evaluation.uri) if evaluation else {},
        dead_letters=tuple(_dead_letters(dataset, entry) for dataset in datasets for entry in dataset.manifest.dead_letters),
        months=tuple(history(earlier, conversations, statistics)),
        checks=tuple(checks),
    )


def _split_size(dataset: Dataset, split: str) -> SplitSize:
    shards = dataset.shards(split)
    suffix = shards[0].name.rsplit(".", 1)[-1]
    records, size = sum(shard.records for shard in shards), sum(shard.bytes for shard in shards)
    return SplitSize(split, records, len(shards), size, f"{split}-*.{suffix}")


def _dead_letters(dataset: Dataset, entry: FileEntry) -> DeadLetters:
    with storage.open_read(dataset.path(entry)) as stream:
        first = tuple(orjson.loads(line) for line in islice(stream, _DEAD_LETTERS_SHOWN))
    return DeadLetters(dataset.manifest.name, entry, first)
