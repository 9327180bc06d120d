"""Parquet files wherever storage reaches: opened by their footer, read by row groups and columns."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow.parquet as pq

from threadmill.datasets import storage


@contextmanager
def open_parquet(uri: str) -> Iterator[pq.ParquetFile]:
    """The file, for as long as the block runs.

    Raises:
        FileNotFoundError: no such file.
    """
    if storage.is_local(uri):
        with pq.ParquetFile(storage.local_path(uri)) as file:
            yield file
        return
    with storage.open_read(uri) as stream, pq.ParquetFile(stream) as file:
        yield file
