"""How examples lie in a shard: TFRecord or JSON lines, with the reference pipeline's names and keys."""

from collections.abc import Callable

import orjson
import polars as pl

from threadmill.datasets.tfrecord import encode_examples
from threadmill.errors import ConfigError


def _tfrecord(examples: pl.DataFrame) -> memoryview:
    return encode_examples(examples.to_arrow(compat_level=pl.CompatLevel.oldest())).data


def _json_lines(examples: pl.DataFrame) -> memoryview:
    rows = (
        orjson.dumps({name: value for name, value in row.items() if value is not None}) for row in examples.iter_rows(named=True)
    )
    return memoryview(b"".join(row + b"\n" for row in rows))


ENCODERS: dict[str, Callable[[pl.DataFrame], memoryview]] = {"tfrecord": _tfrecord, "jsonl": _json_lines}


def encode(examples: pl.DataFrame, format: str) -> memoryview:
    """The examples as a piece of a shard: a frame of strings, null where a feature is absent, columns sorted by name."""
    if format not in ENCODERS:
        raise ConfigError(f"format is {format!r}; use one of {', '.join(ENCODERS)}")
    return ENCODERS[format](examples)
