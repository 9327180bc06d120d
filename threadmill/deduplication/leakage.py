"""Near-duplicates across the splits of a conversations dataset: what an evaluation would owe to memory."""

import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq

from threadmill.cloud.work import Waiting
from threadmill.conversations.config import SPLITS
from threadmill.datasets.dataset import Dataset, split_of
from threadmill.deduplication.config import DeduplicationConfig
from threadmill.deduplication.signatures import require_features, signature_tables
from threadmill.engine.local import available_workers
from threadmill.engine.site import Site
from threadmill.warehouse.duckdb import DuckDBWarehouse


def cross_split_duplicates(
    uri: str, config: DeduplicationConfig, memory_limit: str, folder: str | None = None, *, site: Site | None = None
) -> Generator[Waiting, None, int]:
    """How many examples of validation and test share a key with an example of train, whichever was first.

    Costs what the signatures cost: some 15 microseconds of CPU and 130 bytes of temporary files an example. Yields remote
    work that is under way, where the site's warehouse is BigQuery; taken up again, finds what is done.

    Args:
        uri: a conversations dataset, deduplicated or not.
        config: what counts as a duplicate: "exact" or "near".
        memory_limit: what a warehouse on this machine may hold before it spills to disk, such as "1GB".
        folder: for the temporary files; the system's by default.
        site: where the work is done; this machine by default.

    Raises:
        InputError: no conversations dataset there, or one whose examples lack what signatures are made of.
        RemoteWorkError: a service failed; the same call can succeed later.
    """
    dataset = Dataset.open(uri, "conversations", "deduplicate")
    require_features(dataset)
    if not dataset.shards(SPLITS[0]) or not any(dataset.shards(split) for split in SPLITS[1:]):
        return 0
    if site is not None and site.warehouse == "bigquery":
        from threadmill.deduplication.leakage_tables import count_in_tables

        return (yield from count_in_tables(dataset, config, site))
    return _count_here(dataset, config, memory_limit, folder)


def _count_here(dataset: Dataset, config: DeduplicationConfig, memory_limit: str, folder: str | None) -> int:
    with _signatures(dataset, config, folder) as parts, tempfile.TemporaryDirectory(dir=folder) as spill:
        if not parts[0] or not any(parts[1:]):
            return 0
        with DuckDBWarehouse(memory_limit, available_workers(), spill) as warehouse:
            warehouse.load("signatures", *(files for files in parts if files))
            warehouse.define("signature_keys", "signature_keys")
            return int(warehouse.query("cross_split_duplicates")["examples"][0].as_py())


@contextmanager
def _signatures(dataset: Dataset, config: DeduplicationConfig, folder: str | None) -> Iterator[list[list[str]]]:
    """Temporary files of signatures, by split: train's first."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        parts: list[list[str]] = [[] for _ in SPLITS]
        for number, shard in enumerate(dataset.manifest.shards):
            tables = signature_tables(dataset.path(shard), number, config)
            if tables and split_of(shard) in SPLITS:
                path = Path(temporary, f"{number}.parquet")
                with pq.ParquetWriter(path, tables[0].schema, compression="none", use_dictionary=False) as writer:
                    for table in tables:
                        writer.write_table(table)
                parts[SPLITS.index(split_of(shard))].append(str(path))
        yield parts
