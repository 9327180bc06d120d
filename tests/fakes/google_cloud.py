"""All of Google Cloud that a run needs, over loopback, and the settings that send this process's work there."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fakes.bigquery import FakeBigQuery
from tests.fakes.cloud_storage import FakeCloudStorage
from tests.fakes.cloud_tpu import ZONES, FakeCloudTpu
from tests.fakes.cloud_warehouse import CloudWarehouse, cloud_warehouse
from tests.fakes.dataflow import FakeDataflow
from tests.fakes.faults import Faults
from threadmill.settings import get_settings

ZONE, OTHER_ZONE = list(ZONES)[:2]
TPU_TYPE = ZONES[ZONE][0]


@dataclass(frozen=True)
class GoogleCloud:
    """The servers. Dataflow runs what is submitted to it, and TPU hosts their start-up scripts."""

    warehouse: CloudWarehouse
    dataflow: FakeDataflow
    tpu: FakeCloudTpu

    @property
    def storage(self) -> FakeCloudStorage:
        """Cloud Storage."""
        return self.warehouse.storage

    @property
    def bigquery(self) -> FakeBigQuery:
        """BigQuery."""
        return self.warehouse.bigquery

    @property
    def root(self) -> str:
        """THREADMILL_ROOT."""
        return f"{self.warehouse.bucket}/threadmill"

    @property
    def faults(self) -> dict[str, Faults]:
        """By service, as calls are named."""
        servers = {"storage": self.storage, "bigquery": self.bigquery, "dataflow": self.dataflow, "tpu": self.tpu}
        return {name: server.faults for name, server in servers.items()}


@contextmanager
def google_cloud(folder: Path, *, execute_tpu: bool = True) -> Iterator[GoogleCloud]:
    """Starts all, with THREADMILL_PLATFORM=gcp and what it needs; the buckets are files in ``folder``.

    Args:
        execute_tpu: TPU hosts run their start-up scripts.
    """
    with (
        pytest.MonkeyPatch.context() as patch,
        cloud_warehouse(folder / "buckets") as warehouse,
        FakeDataflow(execute=True) as dataflow,
        FakeCloudTpu(execute=execute_tpu) as tpu,
    ):
        cloud = GoogleCloud(warehouse, dataflow, tpu)
        settings = {
            "THREADMILL_PLATFORM": "gcp",
            "THREADMILL_ROOT": cloud.root,
            "THREADMILL_CACHE": str(folder / "cache"),
            "THREADMILL_REGION": "us-central1",
            "THREADMILL_BIGQUERY_LOCATION": "US",
            "THREADMILL_POLL_SECONDS": "0.2",
            "THREADMILL_DATAFLOW_ENDPOINT": dataflow.url,
            "THREADMILL_TPU_TYPE": TPU_TYPE,
            "THREADMILL_TPU_ZONES": f"{ZONE},{OTHER_ZONE}",
            **tpu.variables,
        }
        for name, value in settings.items():
            patch.setenv(name, value)
        get_settings.cache_clear()
        yield cloud
    get_settings.cache_clear()
