"""How fast records are read for training: the loader alone, beside the same bytes read raw and beside plain tf.data.

`python -m benchmarks.loader [--records N] [--batch-size N] [--seconds N]`: records a second, and records a CPU second of all
threads, in the steady state. Plain tf.data is the pipeline of TensorFlow's guides, tuned by itself: files read one after
the other, shuffled in a buffer of the same size, records parsed one by one in parallel, then batched; it can be taken up
nowhere, and leaves int64 to be cast.
"""

import argparse
import contextlib
import gzip
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import tensorflow as tf

from benchmarks.made_records import RULES, VOCABULARY, Sizes, make_records
from threadmill.training.inputs.batches import training_batches
from threadmill.training.inputs.dynamic_masking import DynamicMasking
from threadmill.training.inputs.features import feature_types
from threadmill.training.inputs.records import RecordFiles

_SHUFFLE_RECORDS = 20_000
_WHOLE_WORDS = replace(RULES, whole_words=True, continuations=tuple(range(VOCABULARY // 2, VOCABULARY)))


@dataclass(frozen=True)
class Rate:
    """Records, and the bytes that they came from in their files, a second and a CPU second."""

    wall: float
    cpu: float


def main() -> None:
    """Prints a line a kind of records."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=40_000)
    parser.add_argument("--batch-size", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=4)
    arguments = parser.parse_args()
    sizes = Sizes()
    print(f"\nRecords of {sizes.max_seq_length} tokens in batches of {arguments.batch_size}: thousands a second (a CPU second)")
    print(f"{'':<32}{'bytes':>7}{'the loader':>18}{'plain tf.data':>18}{'bytes read raw':>18}")
    with tempfile.TemporaryDirectory() as name:
        for kind, (records, masking) in _kinds(Path(name), arguments.records):
            batches = training_batches(records, arguments.batch_size, seed=1, masking=masking)
            with contextlib.closing(batches):
                ours = _rate(batches, arguments.batch_size, arguments.seconds)
            plain = _rate(_plain(records, arguments.batch_size), arguments.batch_size, arguments.seconds)
            columns = "".join(f"{rate.wall / 1e3:>10,.0f} ({rate.cpu / 1e3:>5,.0f})" for rate in (ours, plain, _raw(records)))
            size = sum(Path(file).stat().st_size for file in records.files) / records.records
            print(f"{kind:<32}{size:>7,.0f}{columns}", flush=True)


def _kinds(folder: Path, count: int) -> Iterator[tuple[str, tuple[RecordFiles, DynamicMasking | None]]]:
    """Of each kind what it is called, its records, and how they are masked as they are read."""
    bert = make_records(folder / "bert", "bert", count)
    yield "BERT, static masks", (bert, None)
    yield "BERT, static masks, gzip", (_compressed(bert), None)
    roberta = make_records(folder / "roberta", "roberta", count)
    yield "RoBERTa, dynamic masks", (roberta, DynamicMasking(RULES, VOCABULARY, roberta.format, seed=1))
    yield "RoBERTa, dynamic, whole words", (roberta, DynamicMasking(_WHOLE_WORDS, VOCABULARY, roberta.format, seed=1))
    yield "conversations, packed", (make_records(folder / "seq2seq", "seq2seq", count), None)
    yield "causal, packed", (make_records(folder / "causal", "causal", count), None)


def _compressed(records: RecordFiles) -> RecordFiles:
    for file in records.files:
        with open(file, "rb") as source, gzip.open(f"{file}.gz", "wb", compresslevel=6) as target:
            shutil.copyfileobj(source, target)
    return replace(records, files=tuple(f"{file}.gz" for file in records.files))


def _plain(records: RecordFiles, batch_size: int) -> Iterator[Any]:
    types = feature_types(records.format)
    files = tf.data.TFRecordDataset(list(records.files), compression_type="GZIP" if records.gzip else "")
    shuffled = files.repeat().shuffle(_SHUFFLE_RECORDS, seed=1)
    parsed = shuffled.map(lambda record: tf.io.parse_single_example(record, types), num_parallel_calls=tf.data.AUTOTUNE)
    return iter(parsed.batch(batch_size, drop_remainder=True).prefetch(tf.data.AUTOTUNE).as_numpy_iterator())


def _rate(batches: Iterator[Any], batch_size: int, seconds: float) -> Rate:
    """After the shuffle buffer is full."""
    for _ in islice(batches, 2 * _SHUFFLE_RECORDS // batch_size):
        pass
    cpu, begin, count = _cpu(), time.perf_counter(), 0
    while time.perf_counter() - begin < seconds:
        next(batches)
        count += batch_size
    return Rate(count / (time.perf_counter() - begin), count / (_cpu() - cpu))


def _raw(records: RecordFiles) -> Rate:
    """The files' bytes, decompressed where they are compressed, from the operating system's memory."""
    cpu, begin, rounds = _cpu(), time.perf_counter(), 0
    while time.perf_counter() - begin < 1:
        for file in records.files:
            with gzip.open(file, "rb") if records.gzip else open(file, "rb", buffering=0) as stream:
                while stream.read(1 << 20):
                    pass
        rounds += 1
    count = rounds * records.records
    return Rate(count / (time.perf_counter() - begin), count / (_cpu() - cpu))


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main()
