"""A run as lines of plain text: where its datasets, report and model lie, the funnel, the scores, some of its text."""

from collections.abc import Iterator, Mapping

import orjson

from threadmill.datasets import storage
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import find_manifest
from threadmill.errors import InputError
from threadmill.reports import PAGE_NAME
from threadmill.reports.dialogue import pick_examples, render_dialogue
from threadmill.reports.funnel import funnel, funnel_table
from threadmill.reports.summary import first_documents

# The stages in the road's order. Their datasets are looked for in the run's folder, and among what these were made from.
_ROAD = (
    *("corpus", "ingest", "threads", "conversations", "dialogues", "deduplicate"),
    *("vocabulary", "records", "train", "evaluate", "export", "report"),
)


def overview(uri: str, examples: int) -> Iterator[str]:
    """The lines about the run whose datasets lie below ``uri``.

    Raises:
        InputError: there is no dataset.
    """
    datasets = _datasets_of(uri)
    if not datasets:
        raise InputError(f"there is no dataset below {uri}; name the folder of a run, such as {uri.rstrip('/')}/2006-01")
    yield "Funnel"
    yield funnel_table(funnel(dataset.manifest for dataset in datasets.values()))
    yield from _texts(datasets, examples)
    if "evaluate" in datasets:
        yield "\nThe model, on records it was not trained on"
        yield from _scores(datasets["evaluate"])
    yield "\nDatasets"
    for dataset in datasets.values():
        yield f"  {dataset.manifest.name:<14} {dataset.manifest.records:>9,} records  {dataset.uri}"
    if "report" in datasets:
        yield f"\nReport: {storage.join(datasets['report'].uri, PAGE_NAME)}"


def _texts(datasets: Mapping[str, Dataset], count: int) -> Iterator[str]:
    """Some of the run's conversations, or of its documents."""
    if "corpus" in datasets:
        yield "\nDocuments"
        for document in first_documents(datasets["corpus"], count):
            yield f"\n{document}"
    conversations = datasets.get("deduplicate") or datasets.get("conversations") or datasets.get("dialogues")
    if conversations:
        yield "\nConversations"
        for example in pick_examples(conversations.uri, count):
            yield f"\n{render_dialogue(example)}"


def _datasets_of(uri: str) -> dict[str, Dataset]:
    """The run's datasets by their stage, in the road's order."""
    found = {}
    for name in storage.list_names(uri):
        place = storage.join(uri, name)
        if find_manifest(place) is not None:
            dataset = Dataset.open(place)
            found[dataset.manifest.stage] = dataset
    for dataset in list(found.values()):
        for entry in dataset.manifest.inputs:
            manifest = find_manifest(entry.uri) if entry.uri else None
            if manifest is not None:
                found.setdefault(manifest.stage, Dataset(entry.uri, manifest))
    return {stage: found[stage] for stage in _ROAD if stage in found}


def _scores(dataset: Dataset) -> Iterator[str]:
    scores = orjson.loads(storage.read_bytes(dataset.path(dataset.manifest.shards[0])))
    for name, value in scores.items():
        shown = f"{value:,}" if isinstance(value, int) else f"{value:.4g}" if isinstance(value, float) else str(value)
        yield f"  {name.replace('_', ' '):<34} {shown:>10}"
