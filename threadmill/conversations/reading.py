"""Reads shards of conversation examples, of either format, as frames of strings."""

from collections.abc import Sequence

import polars as pl

from threadmill.datasets import storage
from threadmill.datasets.tfrecord import decode_columns, read_buffer
from threadmill.errors import InputError, IntegrityError


def read_examples(uri: str, columns: Sequence[str]) -> pl.DataFrame:
    """The named features of a shard's examples, in the shard's order.

    Args:
        uri: a shard of a conversations dataset, .tfrecord or .jsonl.
        columns: features such as "context", "response", "context/0", "example_id".

    Returns:
        A frame of String columns, null where an example lacks the feature.

    Raises:
        InputError: a file of another kind.
        IntegrityError: a damaged file.
    """
    if uri.endswith(".tfrecord"):
        table = decode_columns(read_buffer(uri), columns, uri)
        return pl.DataFrame(table).select(pl.all().cast(pl.String))
    if uri.endswith(".jsonl"):
        schema = dict.fromkeys(columns, pl.String)
        content = storage.read_bytes(uri)
        try:
            return pl.read_ndjson(content, schema=schema) if content else pl.DataFrame(schema=schema)
        except pl.exceptions.ComputeError as error:
            raise IntegrityError(f"{uri} is not JSON lines ({error}); run `threadmill verify` on its dataset") from error
    raise InputError(f"{uri} is neither .tfrecord nor .jsonl; name a shard of a conversations dataset")
