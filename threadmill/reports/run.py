"""What a report tells of a run, whatever the run is made from: its datasets, the training, and what could not be used."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import orjson

from threadmill.datasets import storage
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import FileEntry, Manifest
from threadmill.reports.funnel import FunnelStep, funnel
from threadmill.reports.training import LossCurve, read_evaluation, read_losses, unigram_loss

_DEAD_LETTERS_SHOWN = 10


@dataclass(frozen=True)
class SplitSize:
    """One split of a dataset: how many records it holds, and the glob pattern of its files."""

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
class RunContents:
    """The part of a report's content that any run has.

    Attributes:
        manifests: those of all the run's datasets, in the road's order.
        losses: of the model's training, by name; empty if there is none.
        evaluation: the numbers of the model's evaluation, by name; empty if there is none.
        dead_letters: of all the datasets.
    """

    manifests: tuple[Manifest, ...]
    losses: dict[str, LossCurve]
    evaluation: dict[str, float]
    dead_letters: tuple[DeadLetters, ...]

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
    def sources(self) -> list[Any]:
        """The raw inputs: those of the road's first stage."""
        first = self.manifests[0].stage
        inputs = [entry for manifest in self.manifests if manifest.stage == first for entry in manifest.inputs]
        return list(dict.fromkeys(inputs))


def read_run(datasets: Sequence[Dataset], model: Dataset | None, evaluation: Dataset | None) -> RunContents:
    """Reads it from the given datasets (all of them, in the road's order).

    Raises:
        IntegrityError: the losses or the evaluation is damaged.
    """
    return RunContents(
        manifests=tuple(dataset.manifest for dataset in datasets),
        losses=read_losses(model.uri) if model else {},
        evaluation=read_evaluation(evaluation.uri) if evaluation else {},
        dead_letters=tuple(_dead_letters(dataset, entry) for dataset in datasets for entry in dataset.manifest.dead_letters),
    )


def split_sizes(dataset: Dataset) -> tuple[SplitSize, ...]:
    """The sizes of a dataset's splits, in the manifest's order."""
    return tuple(_split_size(dataset, split) for split in dataset.splits())


def _split_size(dataset: Dataset, split: str) -> SplitSize:
    shards = dataset.shards(split)
    suffix = shards[0].name.rsplit(".", 1)[-1]
    records, size = sum(shard.records for shard in shards), sum(shard.bytes for shard in shards)
    return SplitSize(split, records, len(shards), size, f"{split}-*.{suffix}")


def _dead_letters(dataset: Dataset, entry: FileEntry) -> DeadLetters:
    with storage.open_read(dataset.path(entry)) as stream:
        first = tuple(orjson.loads(line) for line in islice(stream, _DEAD_LETTERS_SHOWN))
    return DeadLetters(dataset.manifest.name, entry, first)
