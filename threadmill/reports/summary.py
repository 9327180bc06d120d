"""A dataset as lines of plain text: what it is, its funnel, and some of its records; `threadmill show` prints them."""

from collections.abc import Callable, Iterator
from itertools import groupby, islice

import pyarrow.parquet as pq

from threadmill.conversations.statistics import CONVERSATIONS
from threadmill.datasets import storage
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.tfrecord import parse_example, read_records
from threadmill.errors import InputError
from threadmill.reports.dialogue import pick_examples, printable, render_dialogue
from threadmill.reports.funnel import funnel, funnel_table

_LONGEST_TEXT = 2_000  # of a record, in characters
_MOST_LINES = 6  # of a document


def summary(dataset: Dataset, records: int) -> Iterator[str]:
    """The lines; ``records`` of the dataset's records at most, as they are read best.

    Raises:
        IntegrityError: a damaged shard.
    """
    manifest = dataset.manifest
    size = sum(shard.bytes for shard in manifest.shards)
    yield f"{manifest.name}: {manifest.stage} (version {manifest.version}){', partial' if manifest.partial else ''}"
    yield f"{manifest.records:,} records, {_files(len(manifest.shards))}, {size:,} bytes, made {manifest.created_at}"
    yield f"digest {manifest.digest}"
    for entry in manifest.inputs:
        yield f"made from {entry.name}, digest {entry.digest}"
    yield from _splits(dataset)
    yield ""
    yield funnel_table(funnel([manifest]))
    for text in _SHOWN.get(manifest.stage, _first_records)(dataset, records):
        yield ""
        yield text


def _splits(dataset: Dataset) -> Iterator[str]:
    for split in dataset.splits():
        shards = dataset.shards(split)
        yield f"  {split}: {sum(shard.records for shard in shards):,} records, {_files(len(shards))}"


def _files(count: int) -> str:
    return f"{count:,} file{'s' * (count != 1)}"


def _dialogues(dataset: Dataset, count: int) -> Iterator[str]:
    return (render_dialogue(example) for example in pick_examples(dataset.uri, count))


def _instances(dataset: Dataset, count: int) -> Iterator[str]:
    """Pretraining records as tokens, masks and labels, or as they lie where their vocabulary is gone."""
    from threadmill.pretraining.inspect import inspect_records  # imports the tokenizers, which only these need

    try:
        return inspect_records(dataset.uri, limit=count)
    except InputError:
        return _first_records(dataset, count)


def _first_records(dataset: Dataset, count: int) -> Iterator[str]:
    """The first records of the first file that has any and is of a kind we can show."""
    for shard in dataset.manifest.shards:
        reader = _READERS.get(shard.name.rsplit(".", 1)[-1])
        if reader is not None and shard.records:
            texts = islice(reader(dataset.path(shard)), count)
            return (printable(text[:_LONGEST_TEXT]) for text in texts)
    return iter(())


def _parquet_rows(uri: str) -> Iterator[str]:
    with storage.open_read(uri) as stream, pq.ParquetFile(stream) as file:
        for batch in file.iter_batches(batch_size=16):
            for row in batch.to_pylist():
                yield "\n".join(f"{name}: {_shown(value)}" for name, value in row.items() if value is not None)


def _examples(uri: str) -> Iterator[str]:
    for record in read_records(uri):
        features = sorted(parse_example(record).items())
        yield "\n".join(f"{name}: {' '.join(_shown(value) for value in values)}" for name, values in features)


def _shown(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)


def _lines(uri: str) -> Iterator[str]:
    with storage.open_read(uri) as stream:
        for line in stream:
            yield line.decode(errors="replace").rstrip("\n")


def first_documents(dataset: Dataset, count: int) -> Iterator[str]:
    """The first documents of a text corpus, the first lines of each."""
    lines = (line for shard in dataset.manifest.shards for line in (*_lines(dataset.path(shard)), ""))
    for is_document, group in islice(groupby(lines, bool), 2 * count):
        if is_document:
            first = list(islice(group, _MOST_LINES + 1))
            shown = [printable(line[:_LONGEST_TEXT]) for line in first[:_MOST_LINES]]
            yield "\n".join([*shown, "..."] if len(first) > _MOST_LINES else shown)


_SHOWN: dict[str, Callable[[Dataset, int], Iterator[str]]] = {
    **dict.fromkeys(CONVERSATIONS, _dialogues),
    "corpus": first_documents,
    "records": _instances,
}
_READERS: dict[str, Callable[[str], Iterator[str]]] = {
    "parquet": _parquet_rows,
    "tfrecord": _examples,
    "jsonl": _lines,
    "txt": _lines,
    "md": _lines,
}
