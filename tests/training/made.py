"""Makes small vocabulary and records datasets in sight of the tests, as the stages before training leave them."""

import gzip
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Field, FileEntry, Manifest, write_manifest
from threadmill.datasets.tfrecord import encode_examples

PAD, CLS, SEP, MASK, FIRST = 0, 2, 3, 4, 5
SEQ, PREDICTIONS = 16, 3
TARGET = 12

Columns = dict[str, np.ndarray]

_V2_NAMES = {"input_ids": "input_word_ids", "segment_ids": "input_type_ids"}

# Of the datasets that most tests of reading make.
TOKENS = 30
RECORDS = {"train-00000-of-00003.tfrecord": 11, "train-00001-of-00003.tfrecord": 7, "train-00002-of-00003.tfrecord": 5}


def make_vocabulary(folder: Path, tokens: int) -> Dataset:
    """A vocabulary of ``tokens`` entries, five of them special."""
    lines = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *(f"w{number}" for number in range(tokens - FIRST))]
    config = {"kind": "wordpiece", "form": "", "lowercase": True}
    return _write(folder, "vocabulary", {"vocab.txt": ("\n".join(lines) + "\n").encode()}, {"vocab.txt": tokens}, config)


def make_records(
    folder: Path,
    vocabulary: Dataset,
    shards: Mapping[str, int],
    seed: int = 0,
    kind: Callable[[Columns], Columns] = dict,
    objective: str = "bert",
    max_seq_length: int = SEQ,
) -> Dataset:
    """Records of a language whose sentences repeat one word: a masked word is told by any other, and so learnt in seconds.

    Args:
        shards: the name of each shard and its records; one that ends with .gz is compressed.
        kind: what becomes of BERT's features: `without_next_sentence`, `with_v2_names`, `masked_roberta`, `roberta`, or
            with the objective of that name `seq2seq` or `causal`.
    """
    tokens = vocabulary.manifest.records
    rng = np.random.default_rng(seed)
    files, schema = {}, ()
    for name, count in shards.items():
        columns = kind(repeating_records(rng, count, tokens))
        table = pa.table({feature: _fixed(values) for feature, values in columns.items()})
        content = encode_examples(table).tobytes()
        files[name] = gzip.compress(content, mtime=0) if name.endswith(".gz") else content
        schema = tuple(Field(feature, f"{values.dtype}[{values.shape[1]}]") for feature, values in columns.items())
    lengths = {"max_target_length": TARGET} if objective == "seq2seq" else {"max_predictions_per_seq": PREDICTIONS}
    config = {"max_seq_length": max_seq_length, "objective": objective, **({} if objective == "causal" else lengths)}
    return _write(folder, "records", files, shards, config, vocabulary, schema=schema)


def repeating_records(rng: np.random.Generator, count: int, tokens: int) -> Columns:
    """[CLS] a a .. [SEP] b b .. [SEP], where b is a, or another word (label 1)."""
    words = tokens - FIRST
    half = (SEQ - 3) // 2
    first = rng.integers(words, size=count)
    random = rng.integers(2, size=count)
    second = (first + random * rng.integers(1, words, size=count)) % words
    ids = np.full((count, SEQ), PAD)
    ids[:, 0], ids[:, half + 1], ids[:, 2 * half + 2] = CLS, SEP, SEP
    ids[:, 1 : half + 1] = FIRST + first[:, None]
    ids[:, half + 2 : 2 * half + 2] = FIRST + second[:, None]
    mask = (ids != PAD).astype(np.int64)
    segments = np.zeros_like(ids)
    segments[:, half + 2 : 2 * half + 3] = 1
    candidates = np.array([*range(1, half + 1), *range(half + 2, 2 * half + 2)])
    positions = np.sort(rng.permuted(np.tile(candidates, (count, 1)), axis=1)[:, : PREDICTIONS - 1], axis=1)
    positions = np.pad(positions, ((0, 0), (0, 1)))  # the last one is padding, of weight 0
    weights = np.ones((count, PREDICTIONS), np.float32)
    weights[:, -1] = 0
    labels = np.take_along_axis(ids, positions, 1) * (weights > 0)
    np.put_along_axis(ids, positions[:, :-1], MASK, 1)
    return {
        "input_ids": ids,
        "input_mask": mask,
        "segment_ids": segments,
        "masked_lm_positions": positions,
        "masked_lm_ids": labels,
        "masked_lm_weights": weights,
        "next_sentence_labels": random[:, None],
    }


def without_next_sentence(columns: Columns) -> Columns:
    """BERT's features less the label of the next sentence."""
    return {name: values for name, values in columns.items() if name != "next_sentence_labels"}


def with_v2_names(columns: Columns) -> Columns:
    """BERT's features as TensorFlow Model Garden names them."""
    return {_V2_NAMES.get(name, name): values for name, values in columns.items()}


def masked_roberta(columns: Columns) -> Columns:
    """RoBERTa's features with static masks: neither segments nor a next sentence."""
    return {name: values for name, values in without_next_sentence(columns).items() if name != "segment_ids"}


def roberta(columns: Columns) -> Columns:
    """RoBERTa's features for dynamic masking: the tokens before they were masked."""
    ids = columns["input_ids"].copy()
    np.put_along_axis(ids, columns["masked_lm_positions"][:, :-1], columns["masked_lm_ids"][:, :-1], 1)
    return {"input_ids": ids, "input_mask": columns["input_mask"]}


def seq2seq(columns: Columns) -> Columns:
    """Two pairs a record, each of another word: the context repeats it, and so does the response."""
    first, second = columns["input_ids"].max(axis=1), columns["masked_lm_ids"][:, 0]
    count = len(first)
    encoder, decoder, labels = (np.full((count, length), PAD) for length in (SEQ, TARGET, TARGET))
    encoder_segments, decoder_segments = np.zeros((count, SEQ), int), np.zeros((count, TARGET), int)
    for segment, word in ((1, first), (2, second)):
        context, response = 7 * (segment - 1), 5 * (segment - 1)
        encoder[:, context : context + 7] = word[:, None]
        encoder[:, context + 6] = SEP
        encoder_segments[:, context : context + 7] = segment
        decoder[:, response : response + 5] = labels[:, response : response + 5] = word[:, None]
        decoder[:, response], labels[:, response + 4] = CLS, SEP
        decoder_segments[:, response : response + 5] = segment
    return {
        "encoder_input_ids": encoder,
        "encoder_segment_ids": encoder_segments,
        "decoder_input_ids": decoder,
        "decoder_labels": labels,
        "decoder_segment_ids": decoder_segments,
    }


def causal(columns: Columns) -> Columns:
    """Two documents a record, each of a word that it repeats, and padding."""
    ids, segments = np.full_like(columns["input_ids"], PAD), np.zeros_like(columns["input_ids"])
    for segment, word in ((1, columns["input_ids"].max(axis=1)), (2, columns["masked_lm_ids"][:, 0])):
        start = 7 * (segment - 1)
        ids[:, start : start + 7], ids[:, start + 6] = word[:, None], SEP
        segments[:, start : start + 7] = segment
    return {"input_ids": ids, "input_mask": (segments > 0).astype(int), "segment_ids": segments}


def _fixed(values: np.ndarray) -> pa.Array:
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def _write(
    folder: Path,
    stage: str,
    files: Mapping[str, bytes],
    records: Mapping[str, int],
    config: Mapping[str, int | str],
    *inputs: Dataset,
    schema: tuple[Field, ...] = (),
) -> Dataset:
    folder.mkdir(parents=True)
    entries = []
    for name, content in files.items():
        (folder / name).write_bytes(content)
        entries.append(FileEntry(name, records[name], len(content), hashlib.sha256(content).hexdigest()))
    total = sum(records.values())
    counters = Counters(read=total, kept=total, written=total)
    names = tuple(dataset.as_input() for dataset in inputs)
    write_manifest(str(folder), Manifest(folder.name, stage, 1, config, names, schema, tuple(entries), counters))
    return Dataset.open(str(folder))
