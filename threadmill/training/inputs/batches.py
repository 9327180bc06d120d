"""Batches of records for training and evaluation, through tf.data, in an order that can be taken up anywhere."""

import contextlib
import itertools
import os
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from threadmill.datasets import storage
from threadmill.datasets.tfrecord import read_records
from threadmill.errors import ConfigError, InputError, IntegrityError
from threadmill.training.evaluation.baseline import Counts, count_tokens
from threadmill.training.inputs.dynamic_masking import DynamicMasking
from threadmill.training.inputs.features import Batch, feature_types, parse_batch
from threadmill.training.inputs.groups import StepGroups
from threadmill.training.inputs.local_shards import Shards, open_shards
from threadmill.training.inputs.masking import MaskingRules
from threadmill.training.inputs.records import RecordFiles, RecordFormat

_OPEN_FILES = 8
_SHUFFLE_RECORDS = 20_000
_PARALLEL = max(2, min(8, os.cpu_count() or 2))  # blocks parsed, or remote files read, at a time; the order is the same
_READ_AHEAD = 4  # batches
_PARSED_TOGETHER = 256  # records; what is done to a batch costs the same for one as for dozens
_HELD_OUT_SEED = 0


def training_batches(
    records: RecordFiles, batch_size: int, seed: int, start: int = 0, masking: DynamicMasking | None = None
) -> Generator[tuple[Batch, Batch], None, None]:
    """Endless batches for training.

    Each epoch holds every record once, in an order of its own drawn from ``seed``: files shuffled, records of some
    files interleaved, and shuffled in a buffer. A batch may hold the end of one epoch and the beginning of the next.

    Args:
        start: batches to leave out at the beginning, cheaply: whole epochs by arithmetic, the rest before parsing.
        masking: for records without masks. The masks depend on its seed, the batch size, and the batch's number, counted
            from the first batch of all.

    Yields:
        Pairs of dicts of NumPy arrays, read-only and not copied, see `threadmill.training.inputs.features.parse_batch`.

    Raises:
        ConfigError: the records hold no masks, and there is no ``masking``.
        InputError: a shard is gone.
        IntegrityError: a record is damaged or of another shape.
    """
    together = max(1, _PARSED_TOGETHER // batch_size)  # batches
    block, left_out = divmod(start, together)
    rows = together * batch_size
    epoch, within = divmod(block * rows, records.records)
    epochs = tf.data.Dataset.range(epoch, tf.int64.max)
    shards = open_shards(records.files)

    def one_epoch(number: Any) -> Any:
        skipped = tf.where(number == epoch, tf.constant(within, tf.int64), tf.constant(0, tf.int64))
        return _shuffled(records, shards, seed, number).skip(skipped)

    blocks = _parsed(epochs.flat_map(one_epoch).batch(rows, drop_remainder=True), records, rows, block, masking)
    batches = blocks.rebatch(batch_size, drop_remainder=True).skip(left_out)
    return _readable(batches.prefetch(_READ_AHEAD), records, shards)


def stacked_batches(
    records: RecordFiles, batch_size: int, seed: int, groups: StepGroups, start: int = 0, masking: DynamicMasking | None = None
) -> Iterator[tuple[Batch, Batch]]:
    """The batches of the steps after ``start`` to the last, those of a group stacked: arrays [K, B, ...] for its K steps.

    They are the batches of `training_batches`, which tells of the other arguments and of what is raised; a group of one is
    not copied.
    """
    with contextlib.closing(training_batches(records, batch_size, seed, start, masking)) as batches:
        for size in groups.sizes(start):
            inputs, labels = zip(*itertools.islice(batches, size), strict=True)
            yield _stacked(inputs), _stacked(labels)


def _stacked(batches: Sequence[Batch]) -> Batch:
    if len(batches) == 1:
        return {name: values[None] for name, values in batches[0].items()}
    return {name: np.stack([batch[name] for batch in batches]) for name in batches[0]}


def _shuffled(records: RecordFiles, shards: Shards, seed: int, epoch: Any) -> Any:
    files = records.files
    key = tf.stack([tf.constant(seed, tf.int64), epoch])
    order = tf.random.experimental.stateless_shuffle(tf.range(len(files), dtype=tf.int64), seed=key)
    # A local file is read faster than a record is handed from one thread to another.
    parallel = {} if storage.is_local(files[0]) else {"num_parallel_calls": min(_PARALLEL, len(files)), "deterministic": True}
    serialized = tf.data.Dataset.from_tensor_slices(order).interleave(
        lambda number: _serialized(shards.path(number), records),
        cycle_length=min(_OPEN_FILES, len(files)),
        block_length=16,
        **parallel,
    )
    tf.random.set_seed(1)  # of this function's graph only: the order depends on `key`, and not on the global seed
    buffer_seed = tf.random.stateless_uniform([], seed=key, maxval=tf.int64.max, dtype=tf.int64)
    return serialized.shuffle(_SHUFFLE_RECORDS, seed=buffer_seed, reshuffle_each_iteration=False)


def held_out_batches(
    records: RecordFiles, batch_size: int, limit: int, masking: DynamicMasking | None = None
) -> Iterator[tuple[Batch, Batch]]:
    """The first ``limit`` records in file order, in batches; the last may be smaller.

    Args:
        masking: for records without masks; each record has one mask for good, whatever the batch size.

    Yields, Raises:
        As `training_batches`.
    """
    # Blocks of one size, whatever the batches: so that these change no mask.
    shards = open_shards(records.files)
    blocks = _in_order(shards, records).take(limit).batch(_PARSED_TOGETHER)
    batches = _parsed(blocks, records, _PARSED_TOGETHER, 0, masking).rebatch(batch_size)
    return _readable(batches.prefetch(_READ_AHEAD), records, shards)


def held_out_masking(rules: MaskingRules, vocabulary_size: int, records: RecordFiles) -> DynamicMasking:
    """The masks that all evaluations use."""
    return DynamicMasking(rules, vocabulary_size, records.format, _HELD_OUT_SEED)


def count_split(records: RecordFiles, vocabulary_size: int, limit: int = 0, special_ids: Sequence[int] = ()) -> Counts:
    """int64[V]: how often a model is to tell each token of a split, or of its first ``limit`` records: the labels.

    Where records that are to be masked hold no masks, any token but those of ``special_ids`` can be masked, and all of them
    are counted.
    """
    form, shards = records.format, open_shards(records.files)
    serialized = _in_order(shards, records).take(limit or -1).batch(1024)
    parsed = serialized.map(lambda block: _told_tokens(block, form), num_parallel_calls=_PARALLEL).prefetch(2)
    counts: Counts = np.zeros(vocabulary_size, np.int64)
    for ids, weights in _readable(parsed, records, shards):
        counts += count_tokens(ids, weights, vocabulary_size)
    if form.masked and not form.static_masks:
        counts[list(special_ids)] = 0
    return counts


def _told_tokens(block: Any, form: RecordFormat) -> tuple[Any, Any]:
    """The tokens of serialised records that a model is to tell, and their weights, 0 for none."""
    if not form.masked:
        ids, weights = parse_batch(block, form)[1].values()
        return ids, weights
    names = ("masked_lm_ids", "masked_lm_weights") if form.static_masks else ("input_ids", "input_mask")
    example = tf.io.parse_example(block, {name: kind for name, kind in feature_types(form).items() if name in names})
    return example[names[0]], example[names[1]]


def _in_order(shards: Shards, records: RecordFiles) -> Any:
    return tf.data.Dataset.from_tensor_slices(shards.numbers()).flat_map(lambda number: _serialized(shards.path(number), records))


def _serialized(files: Any, records: RecordFiles) -> Any:
    return tf.data.TFRecordDataset(files, compression_type="GZIP" if records.gzip else "")


def _parsed(blocks: Any, records: RecordFiles, rows: int, start: int, masking: DynamicMasking | None) -> Any:
    """Blocks of serialised records parsed, and masked where the records are not.

    Args:
        rows: the records of a block, at most.
        start: the number of the first block; it and ``rows`` are what masks depend on.
    """
    form = records.format
    if form.static_masks or not form.masked:
        return _mapped(blocks, lambda block: parse_batch(block, form))
    if masking is None:
        raise ConfigError(f"the records in {os.path.dirname(records.files[0])} hold no masks; mask them as they are read")

    def parse_and_mask(number: Any, block: Any) -> Any:
        draws = masking.draws(rows, number)[: tf.shape(block)[0]]
        inputs, labels = parse_batch(block, form)
        columns = masking.mask(inputs["token_ids"], inputs["padding_mask"], draws)
        shown = {name: columns.pop(name) for name in ("token_ids", "mask_positions")}
        return {**inputs, **shown}, {**labels, **columns}

    return _mapped(blocks.enumerate(start), parse_and_mask)


def _mapped(blocks: Any, function: Callable[..., Any]) -> Any:
    return blocks.map(function, num_parallel_calls=_PARALLEL, deterministic=True)


def _readable(batches: Any, records: RecordFiles, shards: Shards) -> Generator[Any, None, None]:
    """The elements of a tf.data.Dataset over ``records``, as NumPy arrays; what is wrong with its files is raised as ours."""
    options = tf.data.Options()
    options.deterministic = True
    # Nothing is left to tune, and with tuning on, TensorFlow 2.21 at times waits up to a minute when an iterator is let go.
    options.autotune.enabled = False
    try:
        yield from batches.with_options(options).as_numpy_iterator()
    except (tf.errors.UnknownError, tf.errors.InternalError) as error:
        if shards.error is None:
            raise
        raise _of_store(shards.error) from error
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


def _of_store(error: Exception) -> Exception:
    if isinstance(error, FileNotFoundError):
        return InputError(f"a shard of records is gone ({error}); make the records again")
    return error


def _find_damage(files: tuple[str, ...]) -> None:
    """Raises IntegrityError with the file, record and byte that are damaged, which TensorFlow does not tell."""
    for file in files:
        for _ in read_records(file):
            pass


def _told(error: Any) -> str:
    """TensorFlow's message without the names of its functions and operations."""
    return re.sub(r"\{\{.*?\}\} *| *\[Op:.*|.*Name: <unknown>, ", "", str(error.message).splitlines()[0])
