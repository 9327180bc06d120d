"""Pretraining records as text that people can read: tokens, masks, segments and labels."""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from threadmill.datasets import storage
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import MANIFEST_NAME
from threadmill.datasets.tfrecord import parse_example, read_records
from threadmill.errors import InputError
from threadmill.pretraining.feature_names import V1_NAMES
from threadmill.vocab.vocabulary import Vocabulary

Features = Mapping[str, list[Any]]

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_INSIDE = "##"  # marks a piece that goes on inside a word, whatever the vocabulary writes for it


def inspect_records(uri: str, vocabulary: Vocabulary | None = None, limit: int = 10, split: str | None = None) -> Iterator[str]:
    """Readable texts of the first ``limit`` records, of one split if named; see `describe_record`.

    Args:
        uri: a records dataset; or a TFRecord file, or a folder of them, that others made for one of our objectives.
        vocabulary: the one the records were made with; looked up where the manifest says it lies if None.

    Raises:
        InputError: no records there, or no such split; the vocabulary is another one, or needed and not given.
    """
    if storage.exists(storage.join(uri, MANIFEST_NAME)):
        dataset = Dataset.open(uri, "records")
        vocabulary = _checked_vocabulary(dataset, vocabulary)
        if split is not None and split not in dataset.splits():
            raise InputError(f"{uri} has no split {split}; it has {', '.join(dataset.splits())}")
        files = [dataset.path(shard) for shard in dataset.shards(split)]
    else:
        files = _bare_files(uri, split)
        if vocabulary is None:
            raise InputError(f"{uri} has no manifest that names a vocabulary; name it with --vocab")
    return islice(_texts(files, vocabulary), max(limit, 0))


def describe_record(features: Features, vocabulary: Vocabulary) -> str:
    """One record as a few lines: sentence A and B of BERT's, the text of RoBERTa's, the segments or pairs of packed ones.

    A masked token reads ``{what the model sees=what it must say}``: ``{[MASK]=cat}``, ``{dog=cat}`` for a random
    replacement, ``{cat=cat}`` for one left as it was; ``{[MASK]=##s}`` for a piece that goes on inside a word. Line ends
    of the text, which some vocabularies keep, and control characters are written as Python escapes them: ``\\n``.

    Raises:
        InputError: the features are of none of our objectives, or an id is not in the vocabulary.
    """
    features = {V1_NAMES.get(name, name): values for name, values in features.items()}
    names = features.keys()
    try:
        if {"encoder_input_ids", "encoder_segment_ids", "decoder_input_ids", "decoder_labels", "decoder_segment_ids"} <= names:
            return _pairs(features, vocabulary)
        if {"input_ids", "input_mask", "segment_ids", "masked_lm_ids"} <= names:
            return _sentences(features, vocabulary)
        if {"input_ids", "segment_ids"} <= names:
            return _segments(features, vocabulary)
        if {"input_ids", "input_mask"} <= names:
            return _marked(_tokens(features), _masks(features), vocabulary)
    except IndexError:
        raise InputError(
            f"a record has an id that is not among the vocabulary's {len(vocabulary)}; name the one it was made with"
        ) from None
    raise InputError(f"a record has the features {', '.join(sorted(names)) or 'of none'}; pretraining records have input_ids")


def _sentences(features: Features, vocabulary: Vocabulary) -> str:
    """BERT's: sentences A and B, or without a label for B a single run."""
    ids, masks = _tokens(features), _masks(features)
    if "next_sentence_labels" not in features:
        return _marked(ids, masks, vocabulary)
    first = len(ids) - sum(features["segment_ids"][: len(ids)])
    relation = "random" if features["next_sentence_labels"][0] else "next"
    rest = {place - first: label for place, label in masks.items() if place >= first}
    return f"A {'':<7}{_marked(ids[:first], masks, vocabulary)}\nB {relation:<7}{_marked(ids[first:], rest, vocabulary)}"


def _segments(features: Features, vocabulary: Vocabulary) -> str:
    segments = features["segment_ids"]
    return "\n".join(
        f"{number:<4}{_marked(_of(number, features['input_ids'], segments), {}, vocabulary)}"
        for number in range(1, max(segments, default=0) + 1)
    )


def _pairs(features: Features, vocabulary: Vocabulary) -> str:
    """Each pair's context, and its response as the decoder sees it, less the label of its last place, and that label."""
    lines = []
    for number in range(1, max(features["encoder_segment_ids"], default=0) + 1):
        context = _of(number, features["encoder_input_ids"], features["encoder_segment_ids"])
        inputs = _of(number, features["decoder_input_ids"], features["decoder_segment_ids"])
        labels = _of(number, features["decoder_labels"], features["decoder_segment_ids"])
        lines.append(f"{number:<4}context   {_marked(context, {}, vocabulary)}")
        lines.append(f"{'':<4}response  {_marked([*inputs[:1], *labels], {}, vocabulary)}")
    return "\n".join(lines)


def _of(number: int, ids: Sequence[int], segments: Sequence[int]) -> list[int]:
    return [token for token, segment in zip(ids, segments, strict=True) if segment == number]


def _tokens(features: Features) -> list[int]:
    return features["input_ids"][: sum(features["input_mask"])]


def _masks(features: Features) -> dict[int, int]:
    """Masked place -> the token that stood there."""
    if "masked_lm_ids" not in features:
        return {}
    masks = zip(features["masked_lm_positions"], features["masked_lm_ids"], features["masked_lm_weights"], strict=True)
    return {place: label for place, label, weight in masks if weight > 0}


def _marked(ids: Sequence[int], masks: Mapping[int, int], vocabulary: Vocabulary) -> str:
    """The text of tokens, special ones by their names, masked ones in braces."""
    text, run = "", list[int]()
    for place, token in enumerate(ids):
        if place not in masks:
            run.append(token)
            continue
        text = _joined(text, run, vocabulary)
        marked = f"{{{_piece(token, vocabulary)}={_piece(masks[place], vocabulary)}}}"
        text += marked if vocabulary.continuations[masks[place]] or not text else f" {marked}"
        run = []
    return _joined(text, run, vocabulary)


def _joined(text: str, run: Sequence[int], vocabulary: Vocabulary) -> str:
    """``text`` and then the text of ``run``, without a space where that goes on inside a word."""
    if not run:
        return text
    more = _in_line(vocabulary.decode(run))
    if not vocabulary.continuations[run[0]] or not text:
        return f"{text} {more}".lstrip()
    return text + more.removeprefix(_INSIDE)


def _in_line(text: str) -> str:
    """``text`` with the characters that would move or colour what a terminal shows made visible."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def _piece(token: int, vocabulary: Vocabulary) -> str:
    text = _in_line(vocabulary.decode([token]) or vocabulary.tokens[token])
    return _INSIDE + text.removeprefix(_INSIDE) if vocabulary.continuations[token] else text


def _texts(files: Sequence[str], vocabulary: Vocabulary) -> Iterator[str]:
    for file in files:
        for number, record in enumerate(read_records(file)):
            yield f"{storage.name_of(file)}, record {number}\n{describe_record(parse_example(record), vocabulary)}"


def _bare_files(uri: str, split: str | None) -> list[str]:
    """The files at ``uri``, of which nothing but their names tells what they are."""
    if split is not None:
        raise InputError(f"{uri} has no manifest that tells its splits; name the split's files")
    if not storage.exists(uri):
        raise InputError(f"{uri} is not there; name a records dataset, or TFRecord files")
    if not storage.is_directory(uri):
        return [uri]
    names = [name for name in storage.list_names(uri) if "tfrecord" in name.lower()]
    if not names:
        raise InputError(f"{uri} has no manifest.json and no file whose name has tfrecord in it; name records")
    return [storage.join(uri, name) for name in names]


def _checked_vocabulary(dataset: Dataset, vocabulary: Vocabulary | None) -> Vocabulary:
    """The vocabulary of a dataset, which is the last of its inputs."""
    if not dataset.manifest.inputs:
        raise InputError(f"the manifest of {dataset.uri} names no vocabulary that its records were made with; make them again")
    entry = dataset.manifest.inputs[-1]
    if vocabulary is None:
        if not storage.exists(entry.uri):
            raise InputError(f"the vocabulary of {dataset.uri} is not at {entry.uri}, where it was; name its folder with --vocab")
        vocabulary = Vocabulary.load(entry.uri)
    if vocabulary.digest != entry.digest:
        raise InputError(
            f"{dataset.uri} was made with another vocabulary than {vocabulary.uri or 'the one given'}; "
            f"name {entry.name}, whose digest is {entry.digest[:12]}"
        )
    return vocabulary
