"""Pretraining records as text that people can read: tokens, masks, segments and labels."""

from collections.abc import Iterator, Mapping
from typing import Any

from threadmill.datasets import storage
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.tfrecord import parse_example, read_records
from threadmill.errors import InputError
from threadmill.vocab.vocabulary import STAGE, Vocabulary


def inspect_records(uri: str, vocabulary: Vocabulary | None = None, limit: int = 10) -> Iterator[str]:
    """Readable texts of the first ``limit`` records of a records dataset.

    A masked token reads ``{what the model sees=what it must say}``: ``{[MASK]=cat}``, ``{dog=cat}`` for a random
    replacement, ``{cat=cat}`` for one left as it was.

    Args:
        uri: a records dataset.
        vocabulary: the one the records were made with; looked up where the manifest says it lies if None.

    Raises:
        InputError: no records dataset there, or the vocabulary is another one.
    """
    dataset = Dataset.open(uri, "records")
    vocabulary = vocabulary or Vocabulary.load(_vocabulary_uri(dataset))
    digests = {entry.digest for entry in dataset.manifest.inputs}
    if vocabulary.digest not in digests:
        raise InputError(f"{uri} was made with another vocabulary than the one given; name the one of its manifest's inputs")
    return _texts(dataset, vocabulary, limit)


def describe_record(features: Mapping[str, list[Any]], vocabulary: Vocabulary) -> str:
    """One record (feature name -> values) as two lines, sentence A and sentence B."""
    length = sum(features["input_mask"])
    tokens = [vocabulary.tokens[number] for number in features["input_ids"][:length]]
    masked = zip(features["masked_lm_positions"], features["masked_lm_ids"], features["masked_lm_weights"], strict=True)
    for place, label, weight in masked:
        if weight > 0:
            tokens[place] = f"{{{tokens[place]}={vocabulary.tokens[label]}}}"
    first = features["segment_ids"].index(1)
    relation = "random" if features["next_sentence_labels"][0] else "next"
    return f"A {'':<7}{_joined(tokens[:first])}\nB {relation:<7}{_joined(tokens[first:])}"


def _texts(dataset: Dataset, vocabulary: Vocabulary, limit: int) -> Iterator[str]:
    left = limit
    for shard in dataset.shards():
        if left <= 0:
            return
        for number, record in enumerate(read_records(dataset.path(shard))):
            if number == left:
                break
            yield f"{shard.name}, record {number}\n{describe_record(parse_example(record), vocabulary)}"
        left -= min(left, shard.records)


def _joined(tokens: list[str]) -> str:
    return " ".join(tokens).replace(" ##", "")


def _vocabulary_uri(dataset: Dataset) -> str:
    for entry in dataset.manifest.inputs:
        path = storage.join(entry.uri, "manifest.json")
        if storage.exists(path) and Dataset.open(entry.uri).manifest.stage == STAGE:
            return entry.uri
    raise InputError(f"the vocabulary of {dataset.uri} is no longer where its manifest says; name its folder")
