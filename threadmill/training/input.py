"""Batches of BERT records for training and evaluation, through tf.data, in an order that can be taken up anywhere."""

import os
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from threadmill.datasets.tfrecord import read_records
from threadmill.errors import InputError, IntegrityError
from threadmill.training.baseline import Counts, count_masked_tokens
from threadmill.training.records import RecordFiles, RecordShape

_OPEN_FILES = 8
_SHUFFLE_RECORDS = 20_000
_PARALLEL = 2

Batch = dict[str, Any]


def training_batches(records: RecordFiles, batch_size: int, seed: int, start: int = 0) -> Iterator[tuple[Batch, Batch]]:
    """Endless batches for training.

    Each epoch holds every record once, in an order of its own drawn from ``seed``: files shuffled, records of some
    files interleaved, and shuffled in a buffer. A batch may hold the end of one epoch and the beginning of the next.

    Args:
        start: batches to leave out at the beginning, cheaply: whole epochs by arithmetic, the rest before parsing.

    Yields:
        Pairs of dicts of tensors, see `parse_batch`.

    Raises:
        InputError: a shard is gone.
        IntegrityError: a record is damaged or of another shape.
    """
    epoch, within = divmod(start * batch_size, records.records)
    epochs = tf.data.Dataset.range(epoch, tf.int64.max)

    def one_epoch(number: Any) -> Any:
        skipped = tf.where(number == epoch, tf.constant(within, tf.int64), tf.constant(0, tf.int64))
        return _shuffled(records.files, seed, number).skip(skipped)

    return _readable(_parsed(epochs.flat_map(one_epoch).batch(batch_size, drop_remainder=True), records.shape), records)


def _shuffled(files: tuple[str, ...], seed: int, epoch: Any) -> Any:
    key = tf.stack([tf.constant(seed, tf.int64), epoch])
    order = tf.random.experimental.stateless_shuffle(tf.constant(files), seed=key)
    serialized = tf.data.Dataset.from_tensor_slices(order).interleave(
        tf.data.TFRecordDataset,
        cycle_length=min(_OPEN_FILES, len(files)),
        block_length=16,
        num_parallel_calls=min(_PARALLEL, _OPEN_FILES, len(files)),
        deterministic=True,
    )
    tf.random.set_seed(1)  # of this function's graph only: the order depends on `key`, and not on the global seed
    buffer_seed = tf.random.stateless_uniform([], seed=key, maxval=tf.int64.max, dtype=tf.int64)
    return serialized.shuffle(_SHUFFLE_RECORDS, seed=buffer_seed, reshuffle_each_iteration=False)


def held_out_batches(records: RecordFiles, batch_size: int, limit: int) -> Iterator[tuple[Batch, Batch]]:
    """The first ``limit`` records in file order, in batches; the last may be smaller. See `parse_batch`."""
    serialized = tf.data.TFRecordDataset(tf.constant(records.files)).take(limit)
    return _readable(_parsed(serialized.batch(batch_size), records.shape), records)


def count_split(records: RecordFiles, vocabulary_size: int, limit: int = 0) -> Counts:
    """int64[V]: how often each token is masked in a split, or in its first ``limit`` records."""
    names = ("masked_lm_ids", "masked_lm_weights")
    features = {name: feature for name, feature in _features(records.shape).items() if name in names}
    serialized = tf.data.TFRecordDataset(tf.constant(records.files)).take(limit or -1).batch(1024)
    parsed = serialized.map(lambda batch: tf.io.parse_example(batch, features), num_parallel_calls=_PARALLEL).prefetch(2)
    counts: Counts = np.zeros(vocabulary_size, np.int64)
    for batch in _readable(parsed, records):
        counts += count_masked_tokens(batch[names[0]].numpy(), batch[names[1]].numpy(), vocabulary_size)
    return counts


def _parsed(serialized: Any, shape: RecordShape) -> Any:
    return serialized.map(lambda batch: parse_batch(batch, shape), num_parallel_calls=_PARALLEL, deterministic=True).prefetch(4)


def parse_batch(serialized: Any, shape: RecordShape) -> tuple[Batch, Batch]:
    """Parses serialised tf.train.Example of Google BERT's features.

    Args:
        serialized: string[B].

    Returns:
        The model's inputs, int32: ``token_ids``, ``segment_ids``, ``padding_mask`` [B, S], ``mask_positions`` [B, P];
        and the labels: ``masked_lm_ids`` int32[B, P], ``masked_lm_weights`` float32[B, P] (0 where a position is
        padding), ``next_sentence_labels`` int32[B].
    """
    example = tf.io.parse_example(serialized, _features(shape))
    whole = {name: tf.cast(value, tf.int32) if value.dtype == tf.int64 else value for name, value in example.items()}
    inputs = {
        "token_ids": whole["input_ids"],
        "segment_ids": whole["segment_ids"],
        "padding_mask": whole["input_mask"],
        "mask_positions": whole["masked_lm_positions"],
    }
    labels = {
        "masked_lm_ids": whole["masked_lm_ids"],
        "masked_lm_weights": whole["masked_lm_weights"],
        "next_sentence_labels": whole["next_sentence_labels"][:, 0],
    }
    return inputs, labels


def _features(shape: RecordShape) -> dict[str, Any]:
    tokens = tf.io.FixedLenFeature([shape.max_seq_length], tf.int64)
    predictions = tf.io.FixedLenFeature([shape.max_predictions_per_seq], tf.int64)
    return {
        "input_ids": tokens,
        "input_mask": tokens,
        "segment_ids": tokens,
        "masked_lm_positions": predictions,
        "masked_lm_ids": predictions,
        "masked_lm_weights": tf.io.FixedLenFeature([shape.max_predictions_per_seq], tf.float32),
        "next_sentence_labels": tf.io.FixedLenFeature([1], tf.int64),
    }


def _readable(batches: Any, records: RecordFiles) -> Iterator[Any]:
    """The elements of a tf.data.Dataset over ``records``; what is wrong with its files is raised as ours."""
    options = tf.data.Options()
    options.deterministic = True
    # Nothing is left to tune, and with tuning on, TensorFlow 2.21 at times waits up to a minute when an iterator is let go.
    options.autotune.enabled = False
    try:
        yield from batches.with_options(options)
    except tf.errors.NotFoundError as error:
        raise InputError(f"a shard of records is gone ({_told(error)}); make the records again") from error
    except tf.errors.DataLossError as error:
        _find_damage(records.files)
        raise IntegrityError(f"a record could not be read ({_told(error)}); make the records again") from error
    except tf.errors.InvalidArgumentError as error:
        folder = os.path.dirname(records.files[0])
        raise IntegrityError(
            f"a record in {folder} is not of the shape that its manifest tells ({_told(error)}); make the records again"
        ) from error


def _find_damage(files: tuple[str, ...]) -> None:
    """Raises IntegrityError with the file, record and byte that are damaged, which TensorFlow does not tell."""
    for file in files:
        for _ in read_records(file):
            pass


def _told(error: Any) -> str:
    """TensorFlow's message without the names of its functions and operations."""
    return re.sub(r"\{\{.*?\}\} *| *\[Op:.*|.*Name: <unknown>, ", "", str(error.message).splitlines()[0])
