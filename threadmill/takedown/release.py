"""Takes the entries of a ledger down from datasets that are out already."""

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from threadmill.datasets import storage
from threadmill.datasets.catalog import find_datasets
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset, split_of
from threadmill.datasets.lock import writer_lock
from threadmill.datasets.manifest import MANIFEST_NAME, FileEntry, Manifest
from threadmill.engine.local import available_workers, run_tasks
from threadmill.engine.stage import TaskResult
from threadmill.errors import ConfigError, InputError
from threadmill.takedown import journal
from threadmill.takedown.ledger import Ledger
from threadmill.takedown.rewriting import EXAMPLES, STAGES, Takedown

_CHANGES = ("dropped", "cut", "emptied")


@dataclass(frozen=True)
class Outcome:
    """What a takedown changed in a dataset, or would.

    Attributes:
        dropped: records that went.
        cut: records that lost older turns.
        emptied: dead letters that lost what they quote.
        rewritten: shards that were written, of ``shards``.
    """

    uri: str
    dropped: int
    cut: int
    emptied: int
    rewritten: int
    shards: int


def datasets_of(uris: Sequence[str]) -> list[str]:
    """The datasets of STAGES that ``uris`` name, each itself or a folder above; those with an interrupted takedown too.

    Raises:
        InputError: nothing there, a dataset of another stage, or one whose examples do not tell who wrote them.
        ConfigError: one is not on this machine.
    """
    for uri in uris:
        _refuse_remote(uri)
    found = list(dict.fromkeys(dataset for uri in uris for dataset in _below(uri)))
    for uri in found:
        if not journal.is_interrupted(uri):
            Takedown(Dataset.open(uri, *STAGES), Ledger()).plan()
    return found


def _refuse_remote(uri: str) -> None:
    """A takedown replaces shards and manifest by renames within a folder, which stores of objects do not have."""
    if not storage.is_local(uri):
        raise ConfigError(
            f"{uri} is not on this machine, where a takedown rewrites datasets; for this one, set THREADMILL_LEDGER and run its "
            "DAG again, or copy it here (`gcloud storage cp --recursive`), take down what must go, and copy it back"
        )


def _below(uri: str) -> list[str]:
    if storage.exists(storage.join(uri, MANIFEST_NAME)) or journal.is_interrupted(uri):
        return [uri]
    finished = [path for path in (storage.join(uri, name) for name in find_datasets(uri)) if _stage(path) in STAGES]
    found = sorted({*finished, *_interrupted_below(uri)})
    if not found:
        raise InputError(f"{uri} is no dataset of comments or conversations, and holds none; name one, or a folder above some")
    return found


def _stage(uri: str) -> str:
    return Dataset.open(uri).manifest.stage


def _interrupted_below(uri: str) -> list[str]:
    """Datasets that have no manifest as a takedown was interrupted."""
    folders = [folder for folder, names, _ in os.walk(storage.local_path(uri)) if journal.FOLDER in names]
    return [folder for folder in folders if journal.is_interrupted(folder)]


def take_down(uri: str, ledger: Ledger, *, workers: int | None = None, dry: bool = False) -> Outcome:
    """Rewrites the shards of the dataset at ``uri`` that hold what the ledger names; then its manifest, which says so.

    Of comments, rows go. Of examples, those go whose response or context is taken down, and older turns end before one
    that is. What is left are the examples that a run from the source with the ledger makes, feature for feature, but for
    what they cannot tell:

    - A takedown never adds. The run also has the examples that only what went had kept out: by its fault (failed_turn drop
      or subtree), as an earlier duplicate, in a cycle, or by the depth or the words that it gave them.
    - root_kind stays as it was where what went is older than the turns shown, beyond parent_depth or a turn at which they
      are cut; in the run it is orphan, or, without the submission, top_level.
    - Of a comment whose text a rescan had lost, the run has the tombstone where an author's entry takes the text alone.

    Dead letters keep their places and reasons, and lose what they quote, for nobody can tell whose it is. Signatures are left:
    they hold no text, and so go on keeping out the copies of what went.

    Args:
        dry: change nothing.

    Raises:
        DatasetLockedError: another process is writing it.
        InputError: it is no dataset of STAGES.
    """
    _refuse_remote(uri)
    if dry:
        if journal.is_interrupted(uri):
            raise InputError(f"{uri}: a takedown was interrupted; run it again without --dry-run, which brings it to its end")
        return _outcome(Takedown(Dataset.open(uri, *STAGES), ledger, dry=True), uri, workers)[0]
    with writer_lock(uri):
        journal.recover(uri)
        dataset = Dataset.open(uri, *STAGES)
        folder = journal.staging(uri)
        try:
            outcome, results = _outcome(Takedown(dataset, ledger), folder, workers)
            if results:
                journal.exchange(uri, _new_manifest(dataset.manifest, ledger, outcome, results))
        finally:
            if not journal.is_interrupted(uri):
                journal.discard(uri)
    return outcome


def _outcome(work: Takedown, folder: str, workers: int | None) -> tuple[Outcome, list[TaskResult]]:
    results = list(run_tasks(work, work.plan().tasks, folder, workers or available_workers()))
    changed = [result for result in results if any(result.statistics[name] for name in _CHANGES)]
    dropped, cut, emptied = (sum(result.statistics[name] for result in changed) for name in _CHANGES)
    rewritten = sum(not result.statistics["emptied"] for result in changed)
    return Outcome(work.dataset.uri, dropped, cut, emptied, rewritten, len(work.dataset.manifest.shards)), changed


def _new_manifest(manifest: Manifest, ledger: Ledger, outcome: Outcome, results: Sequence[TaskResult]) -> Manifest:
    written = {file.name: file for result in results for file in (*result.shards, *result.dead_letters)}
    shards, letters = (
        tuple(written.get(file.name, file) for file in files) for files in (manifest.shards, manifest.dead_letters)
    )
    counters = Counters.from_json(manifest.counters.to_json())
    counters.kept -= outcome.dropped
    counters.written -= outcome.dropped
    counters.drop("taken_down", outcome.dropped)
    counters.check(outcome.uri)
    changes = {name: getattr(outcome, name) for name in _CHANGES}
    note = {"ledger": ledger.digest, **changes, "before": manifest.digest}
    statistics = dict(manifest.statistics)
    if manifest.stage in EXAMPLES:
        statistics["examples"] = _by_split(shards)
    if manifest.stage == "ingest":
        statistics.update(_less(statistics, results))
    statistics["takedowns"] = [*manifest.statistics.get("takedowns", []), note]
    return replace(manifest, shards=shards, dead_letters=letters, counters=counters, statistics=statistics)


def _by_split(shards: Iterable[FileEntry]) -> dict[str, int]:
    examples = Counter[str]()
    for shard in shards:
        examples[split_of(shard)] += shard.records
    return dict(examples)


def _less(statistics: dict[str, Any], results: Sequence[TaskResult]) -> dict[str, Any]:
    """The ingest stage's measures of the comments, without those that went."""
    left = {name: Counter[str](statistics[name]) for name in ("months", "removals")}
    body_bytes = statistics["body_bytes"]
    for result in results:
        if not result.statistics["dropped"]:
            continue
        for name, counts in left.items():
            counts.subtract(result.statistics[name])
        body_bytes -= result.statistics["body_bytes"]
    return {**{name: dict(sorted((+counts).items())) for name, counts in left.items()}, "body_bytes": body_bytes}


def made_from_old_releases(uris: Sequence[str]) -> list[str]:
    """The datasets, beside or below those that ``uris`` name, that were made from what a takedown has changed since.

    Those that a takedown changes by itself are none of them, nor need be.
    """
    roots = {
        uri if not storage.exists(storage.join(uri, MANIFEST_NAME)) else os.path.dirname(uri.rstrip("/")) or "." for uri in uris
    }
    datasets = {path: Dataset.open(path) for root in roots for path in (storage.join(root, name) for name in find_datasets(root))}
    old = {note["before"] for dataset in datasets.values() for note in dataset.manifest.statistics.get("takedowns", [])}
    found: dict[str, None] = {}
    while True:
        more = [
            path
            for path, dataset in datasets.items()
            if path not in found
            and dataset.manifest.stage not in STAGES
            and any(entry.digest in old for entry in dataset.manifest.inputs)
        ]
        if not more:
            return sorted(found)
        found.update(dict.fromkeys(more))
        old.update(datasets[path].manifest.digest for path in more)
