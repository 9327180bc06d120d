"""How many comments a dataset of conversations was made from: what its yield is a fraction of."""

from collections.abc import Iterator

from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Manifest, find_manifest

# What a stage reads that could be no response of the dataset.
_NO_COMMENTS = ("duplicate", "taken_down", "submission", "context_only")


def comments_of(manifest: Manifest) -> int | None:
    """The comments whose responses the dataset was to hold: each once, and only those of its month.

    It is the same number for a dataset made from threads, whose funnel begins with comments, and for one made in one pass,
    whose funnel begins with lines. None for a deduplicated one whose conversations are no longer there.
    """
    made = first_made(manifest)
    if made is None:
        return None
    dead = sum(entry.records for entry in made.dead_letters)
    return made.counters.read - dead - sum(made.counters.dropped.get(reason, 0) for reason in _NO_COMMENTS)


def yield_of(manifest: Manifest) -> float | None:
    """Examples a comment, or None where that is not known."""
    comments = comments_of(manifest)
    return manifest.records / comments if comments else None


def first_made(manifest: Manifest) -> Manifest | None:
    """The manifest of the conversations as they were made: of those before deduplication, or the given one.

    None where they are no longer there.
    """
    if manifest.stage != "deduplicate":
        return manifest
    return next(inputs_there(manifest, "conversations"), None)


def inputs_there(manifest: Manifest, stage: str) -> Iterator[Manifest]:
    """The manifests of those of its inputs that a stage made and that lie where they lay, unchanged."""
    return (dataset.manifest for dataset in datasets_there(manifest, stage))


def datasets_there(manifest: Manifest, stage: str) -> Iterator[Dataset]:
    """As `inputs_there`, the datasets."""
    for entry in manifest.inputs:
        found = find_manifest(entry.uri) if entry.uri else None
        if found is not None and found.digest == entry.digest and found.stage == stage:
            yield Dataset(entry.uri, found)
