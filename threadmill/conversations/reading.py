"""Reads shards of conversation examples, of any format, as frames of strings."""

from collections.abc import Callable, Sequence

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from threadmill.conversations.parlai import decode_parlai
from threadmill.datasets import storage
from threadmill.datasets.tfrecord import decode_columns, read_buffer
from threadmill.errors import InputError, IntegrityError


def read_examples(uri: str, columns: Sequence[str]) -> pl.DataFrame:
    """The named features of a shard's examples, in the shard's order.

    Args:
        uri: a shard of a conversations dataset; the end of its name tells its format.
        columns: features such as "context", "response", "context/0", "example_id".

    Returns:
        A frame of String columns, null where an example lacks the feature.

    Raises:
        InputError: a file of another kind.
        IntegrityError: a damaged file.
    """
    suffix = uri.rsplit(".", 1)[-1]
    if suffix not in DECODERS:
        raise InputError(f"{uri} ends in none of .{', .'.join(DECODERS)}; name a shard of a conversations dataset")
    return DECODERS[suffix](uri, columns)


def _tfrecord(uri: str, columns: Sequence[str]) -> pl.DataFrame:
    table = decode_columns(read_buffer(uri), columns, uri)
    return pl.DataFrame(table).select(pl.all().cast(pl.String))


def _json_lines(uri: str, columns: Sequence[str]) -> pl.DataFrame:
    schema = dict.fromkeys(columns, pl.String)
    content = storage.read_bytes(uri)
    try:
        return pl.read_ndjson(content, schema=schema) if content else pl.DataFrame(schema=schema)
    except pl.exceptions.ComputeError as error:
        raise _damaged(uri, "JSON lines", error) from error


def _parlai(uri: str, columns: Sequence[str]) -> pl.DataFrame:
    try:
        return decode_parlai(storage.read_bytes(uri), columns)
    except pl.exceptions.ComputeError as error:
        raise _damaged(uri, "ParlAI's conversations", error) from error


def _parquet(uri: str, columns: Sequence[str]) -> pl.DataFrame:
    try:
        with storage.open_read(uri) as stream, pq.ParquetFile(stream, page_checksum_verification=True) as file:
            table = file.read([name for name in columns if name in file.schema_arrow.names])
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileNotFoundError):
            raise
        raise _damaged(uri, "Parquet", error) from error
    present = set(table.column_names)
    return pl.DataFrame(
        {name: pl.Series(table[name]) if name in present else pl.repeat(None, table.num_rows, eager=True) for name in columns},
        schema=dict.fromkeys(columns, pl.String),
    )


def _damaged(uri: str, format: str, error: Exception) -> IntegrityError:
    reason = str(error).splitlines()[0]
    return IntegrityError(f"{uri} is not {format} ({reason}); run `threadmill verify` on its dataset")


DECODERS: dict[str, Callable[[str, Sequence[str]], pl.DataFrame]] = {
    "tfrecord": _tfrecord,
    "jsonl": _json_lines,
    "parquet": _parquet,
    "parlai": _parlai,
}
