"""What a dataset of conversations must hold to, before anything is trained on it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import polars as pl

from threadmill.conversations.config import SPLITS
from threadmill.conversations.limits import ConversationLimits
from threadmill.conversations.reading import read_examples
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.gate import Check, between
from threadmill.datasets.manifest import Manifest, find_manifest

Hashes = npt.NDArray[np.uint64]

# Reddit's marks of a removed comment, listed apart from the ingest's: a check should not share a fault with what it checks.
TOMBSTONES = (
    "[deleted]",
    "[removed]",
    "[ Removed by Reddit ]",
    "[ Removed by reddit in response to a copyright notice. ]",
)
_SIGMAS = 5  # a fair draw of threads lies further off its fraction once in two million datasets


def check_conversations(uri: str, limits: ConversationLimits, comments_read: int | None = None) -> list[Check]:
    """Measures the conversations at ``uri``, shard by shard, and judges them by ``limits``.

    Memory: one shard, and 8 bytes a thread.

    Args:
        comments_read: the comments that the yield is a fraction of; by default those that the dataset was made from,
            without those that were only context.

    Raises:
        InputError: no dataset there.
        IntegrityError: a damaged shard.
    """
    dataset = Dataset.open(uri)
    found = _measure(dataset)
    return [
        between("examples", found.examples, least=limits.min_examples),
        _yield_check(dataset.manifest, found, limits, comments_read),
        _shared_threads_check(dataset, found, limits),
        _tombstones_check(dataset.manifest, found, limits),
        *_split_checks(dataset.manifest, found, limits),
    ]


@dataclass
class _Measures:
    """Of all shards: examples, turns that are tombstones, and the hashes of each split's threads, sorted."""

    examples: int = 0
    tombstones: int = 0
    threads: dict[str, Hashes] = field(default_factory=dict)

    @property
    def thread_total(self) -> int:
        """Threads over all splits."""
        return sum(len(hashes) for hashes in self.threads.values())


def _measure(dataset: Dataset) -> _Measures:
    measures = _Measures()
    names = {entry.name for entry in dataset.manifest.schema}
    texts = sorted(name for name in names if name in ("context", "response") or name.startswith("context/"))
    for split in dataset.splits():
        parts = []
        for shard in dataset.shards(split):
            frame = read_examples(dataset.path(shard), ["thread_id", *texts])
            measures.examples += frame.height
            measures.tombstones += _count_equal(frame, texts, TOMBSTONES)
            parts.append(np.unique(frame["thread_id"].hash().to_numpy()))
        measures.threads[split] = np.unique(np.concatenate(parts))
    return measures


def _count_equal(frame: pl.DataFrame, columns: Sequence[str], texts: Sequence[str]) -> int:
    counts = frame.select(pl.col(name).is_in(texts).sum() for name in columns)
    return int(counts.sum_horizontal().sum())


def _yield_check(manifest: Manifest, found: _Measures, limits: ConversationLimits, comments_read: int | None) -> Check:
    counters = manifest.counters
    comments = comments_read if comments_read is not None else counters.read - counters.dropped.get("context_only", 0)
    rate = found.examples / comments if comments else math.nan
    return between("examples a comment", rate, limits.min_yield, limits.max_yield, note=f"{comments:,} comments")


def _shared_threads_check(dataset: Dataset, found: _Measures, limits: ConversationLimits) -> Check:
    hashes = np.sort(np.concatenate([*found.threads.values()])) if found.threads else np.zeros(0, np.uint64)
    suspects = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
    shared = _threads_in_two_splits(dataset, suspects) if len(suspects) else []
    return between("threads in two splits", len(shared), most=limits.max_shared_threads, note=_first(shared))


def _threads_in_two_splits(dataset: Dataset, suspects: Hashes) -> list[str]:
    """Which threads the splits really share: equal hashes may belong to different threads."""
    seen: dict[str, set[str]] = {}
    for split in dataset.splits():
        for shard in dataset.shards(split):
            threads = read_examples(dataset.path(shard), ["thread_id"])["thread_id"].drop_nulls().unique()
            for thread in threads.filter(pl.Series(np.isin(threads.hash().to_numpy(), suspects))):
                seen.setdefault(thread, set()).add(split)
    return sorted(thread for thread, splits in seen.items() if len(splits) > 1)


def _first(threads: Sequence[str]) -> str:
    return f"such as {', '.join(threads[:3])}" if threads else ""


def _tombstones_check(manifest: Manifest, found: _Measures, limits: ConversationLimits) -> Check:
    judged = manifest.config.get("cut_at_tombstones", True)
    return between("tombstones among the turns", found.tombstones, most=limits.max_tombstones if judged else None)


def _split_checks(manifest: Manifest, found: _Measures, limits: ConversationLimits) -> list[Check]:
    total = found.thread_total
    asked = _asked_fractions(manifest)
    checks = []
    for split in SPLITS:
        threads = len(found.threads.get(split, ()))
        share, fraction = threads / total if total else math.nan, asked.get(split)
        least = most = None
        if fraction is not None:
            deviation = limits.max_split_deviation + _SIGMAS * math.sqrt(fraction * (1 - fraction) / max(total, 1))
            least, most = max(0.0, fraction - deviation), min(1.0, fraction + deviation)
        checks.append(between(f"{split} of all threads", share, least, most, note=f"{threads:,} threads"))
    return checks


def _asked_fractions(manifest: Manifest) -> Mapping[str, float]:
    """The fractions that the dataset, or its threads dataset, was made with; empty where that is no longer there."""
    if own := _fractions(manifest):
        return own
    for entry in manifest.inputs:
        threads = find_manifest(entry.uri) if entry.name and entry.uri else None
        if threads is not None and threads.digest == entry.digest:
            return _fractions(threads)
    return {}


def _fractions(manifest: Manifest) -> dict[str, float]:
    return {split: manifest.config[f"{split}_split"] for split in SPLITS if f"{split}_split" in manifest.config}
