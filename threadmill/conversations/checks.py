"""What a dataset of conversations must hold to, before anything is trained on it."""

import math
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from threadmill.cloud.work import Waiting, finish
from threadmill.config import pick_settings
from threadmill.conversations.config import SPLITS
from threadmill.conversations.drift import Change, chance_variation, length_changes, total_variation
from threadmill.conversations.limits import ConversationLimits
from threadmill.conversations.reading import read_examples
from threadmill.conversations.statistics import (
    CONVERSATIONS,
    STATISTICS_COLUMNS,
    ConversationStatistics,
    conversation_statistics,
    extra_contexts,
    frame_statistics,
    merge_statistics,
)
from threadmill.conversations.yields import comments_of, first_made, inputs_there, yield_of
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.gate import Check, between
from threadmill.datasets.manifest import Manifest
from threadmill.engine.site import Site, settings_site, shell_identity

Hashes = npt.NDArray[np.uint64]

# Reddit's marks of a removed comment, listed apart from the ingest's: a check should not share a fault with what it checks.
TOMBSTONES = (
    "[deleted]",
    "[removed]",
    "[ Removed by Reddit ]",
    "[ Removed by reddit in response to a copyright notice. ]",
)
_ENOUGH = 1000  # examples of each dataset: between fewer, drift may be chance
_TOO_FEW = f"under {_ENOUGH:,} examples"
_SIGMAS = 5  # a fair draw of threads lies further off its fraction once in two million datasets


def check_conversations(
    uri: str,
    limits: ConversationLimits,
    comments_read: int | None = None,
    *,
    previous: str = "",
    site: Site | None = None,
    memory_limit: str = "1GB",
) -> list[Check]:
    """Measures the conversations at ``uri``, shard by shard, and judges them by ``limits``.

    Memory: one shard, and 8 bytes a thread; ``memory_limit`` where near-duplicates are looked for.

    Args:
        comments_read: the comments that the yield is a fraction of; by default those that the dataset was made from,
            without those that were only context.
        previous: URI of an earlier conversations dataset, such as the month before's, to measure drift against; "" for none.
        site: whose engine and warehouse look for near-duplicates; as the settings say by default.
        memory_limit: what a warehouse on this machine may hold before it spills.

    Raises:
        InputError: no dataset there, or not one of conversations.
        IntegrityError: a damaged shard.
        RemoteWorkError: a service failed; the same call can succeed later.
    """
    return finish(conversation_check_steps(uri, limits, comments_read, previous=previous, site=site, memory_limit=memory_limit))


def conversation_check_steps(
    uri: str,
    limits: ConversationLimits,
    comments_read: int | None = None,
    *,
    previous: str = "",
    site: Site | None = None,
    memory_limit: str = "1GB",
) -> Generator[Waiting, None, list[Check]]:
    """As `check_conversations`, but yields remote work instead of waiting for it; called again, it finds what is done."""
    site = site or settings_site(shell_identity("check_conversations", uri))
    dataset = Dataset.open(uri, *CONVERSATIONS)
    earlier = Dataset.open(previous, *CONVERSATIONS) if previous else None
    near_duplicates = yield from _near_duplicates_check(dataset, limits, memory_limit, site)
    found = _measure(dataset)
    comments = comments_read if comments_read is not None else comments_of(dataset.manifest)
    checks = [
        between("examples", found.examples, least=limits.min_examples),
        _yield_check(found, limits, comments),
        _shared_threads_check(dataset, found, limits),
        *near_duplicates,
        _tombstones_check(dataset.manifest, found, limits),
        *_split_checks(dataset.manifest, found, limits),
    ]
    if earlier:
        checks += [*_yield_drift(found, comments, earlier, limits), *_drift(found, earlier, limits)]
    return checks


@dataclass
class _Measures:
    """Of all shards: what the examples are like, turns that are tombstones, and each split's threads as sorted hashes."""

    statistics: ConversationStatistics
    tombstones: int
    threads: dict[str, Hashes]

    @property
    def examples(self) -> int:
        """Examples over all splits."""
        return self.statistics.examples

    @property
    def thread_total(self) -> int:
        """Threads over all splits."""
        return sum(len(hashes) for hashes in self.threads.values())


def _measure(dataset: Dataset) -> _Measures:
    extras = extra_contexts(dataset.manifest.schema)
    texts = ["context", "response", *extras]
    statistics = merge_statistics([])
    tombstones, threads = 0, {}
    for split in dataset.splits():
        parts = []
        for shard in dataset.shards(split):
            frame = read_examples(dataset.path(shard), ["thread_id", *STATISTICS_COLUMNS, *extras])
            statistics = merge_statistics([statistics, frame_statistics(frame, extras)])
            tombstones += _count_equal(frame, texts, TOMBSTONES)
            parts.append(np.unique(frame["thread_id"].hash().to_numpy()))
        threads[split] = np.unique(np.concatenate(parts))
    return _Measures(statistics, tombstones, threads)


def _count_equal(frame: pl.DataFrame, columns: Sequence[str], texts: Sequence[str]) -> int:
    counts = frame.select(pl.col(name).is_in(texts).sum() for name in columns)
    return int(counts.sum_horizontal().sum())


def _yield_check(found: _Measures, limits: ConversationLimits, comments: int | None) -> Check:
    if comments is None:
        return between("examples a comment", math.nan, note="what it was made from is gone")
    rate = found.examples / comments if comments else math.nan
    return between("examples a comment", rate, limits.min_yield, limits.max_yield, note=f"{comments:,} comments")


def _near_duplicates_check(
    dataset: Dataset, limits: ConversationLimits, memory_limit: str, site: Site
) -> Generator[Waiting, None, list[Check]]:
    """None where they are not looked for: it takes longer than all other checks."""
    from threadmill.deduplication.config import DeduplicationConfig

    made_with = pick_settings(DeduplicationConfig, dataset.manifest.config)
    config = DeduplicationConfig(**made_with)
    taken_out = dataset.manifest.stage == "deduplicate" and config.near
    if limits.max_near_duplicates < 0 and not taken_out:
        return []
    from threadmill.deduplication.leakage import cross_split_duplicates

    near = replace(config, deduplication="near")
    count = yield from cross_split_duplicates(dataset.uri, near, memory_limit, site=site)
    return [between("near-duplicates across splits", count, most=max(0, limits.max_near_duplicates))]


def _yield_drift(found: _Measures, comments: int | None, earlier: Dataset, limits: ConversationLimits) -> list[Check]:
    before = yield_of(earlier.manifest)
    if not comments or before is None:
        return []
    change = Change("examples a comment", before, found.examples / comments)
    expected = before * comments  # not those found: a yield that broke down leaves few
    enough = min(expected, earlier.manifest.records) >= _ENOUGH
    return [_change_check(change, limits.max_yield_change if enough else None)]


def _drift(found: _Measures, earlier: Dataset, limits: ConversationLimits) -> list[Check]:
    before, now = conversation_statistics(earlier.uri), found.statistics
    enough = min(before.examples, now.examples) >= _ENOUGH
    distance, chance = (measure(before.subreddits, now.subreddits) for measure in (total_variation, chance_variation))
    return [
        *(_change_check(change, limits.max_length_change if enough else None) for change in length_changes(before, now)),
        between(
            "subreddits, distance from the earlier",
            distance,
            most=min(1.0, limits.max_subreddit_distance + chance) if enough else None,
            note="total variation" if enough else f"total variation; {_TOO_FEW}",
        ),
    ]


def _change_check(change: Change, most: float | None) -> Check:
    note = f"{change.now:.4g} after {change.before:.4g}" + (f"; {_TOO_FEW}" if most is None else "")
    return between(f"{change.name}, change", abs(change.relative), most=most, note=note)


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
    made = first_made(manifest)
    judged = made is not None and made.config.get("cut_at_tombstones", True)
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
    made = first_made(manifest)
    manifests = [made, *inputs_there(made, "threads")] if made else []
    return next((fractions for one in manifests if (fractions := _fractions(one))), {})


def _fractions(manifest: Manifest) -> dict[str, float]:
    return {split: manifest.config[f"{split}_split"] for split in SPLITS if f"{split}_split" in manifest.config}
