"""BigQuery over bqemulator and Cloud Storage over the same files, with the settings to reach both: for tests marked `cloud`."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.bigquery import FakeBigQuery
from tests.fakes.bigquery_emulator import Emulator
from tests.fakes.cloud_storage import FakeCloudStorage
from threadmill.datasets import storage
from threadmill.settings import get_settings

PROJECT = "threadmill-test"


@dataclass(frozen=True)
class CloudWarehouse:
    """The two servers, and a bucket to work in."""

    bigquery: FakeBigQuery
    storage: FakeCloudStorage
    bucket: str

    def clear(self) -> None:
        """Forgets faults, not what there is."""
        self.bigquery.faults.clear()
        self.storage.faults.clear()

    def upload(self, folder: str | Path, name: str) -> str:
        """The files of a local folder, in the bucket under ``name``; their folder's URI."""
        uri = storage.join(self.bucket, name)
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                with path.open("rb") as source, storage.atomic_writer(storage.join(uri, str(path.relative_to(folder)))) as target:
                    shutil.copyfileobj(source, target)
        return uri


@contextmanager
def cloud_warehouse(root: Path) -> Iterator[CloudWarehouse]:
    """Starts both, over the files in ``root``."""
    root.mkdir(parents=True, exist_ok=True)
    with (
        pytest.MonkeyPatch.context() as patch,
        FakeCloudStorage(root) as files,
        FakeBigQuery(Emulator(root, PROJECT)) as warehouse,
    ):
        patch.setenv("STORAGE_EMULATOR_HOST", files.url)
        patch.setenv("BIGQUERY_EMULATOR_HOST", warehouse.url)
        patch.setenv("BIGQUERY_STORAGE_EMULATOR_HOST", warehouse.grpc)
        patch.setenv("THREADMILL_PROJECT", PROJECT)
        get_settings.cache_clear()
        yield CloudWarehouse(warehouse, files, files.make_bucket("bucket"))
    get_settings.cache_clear()
