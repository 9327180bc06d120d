"""What the tests of the Dataflow engine share: fake Dataflow and Cloud Storage, and the settings that lead there."""

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.fakes.cloud_storage import FakeCloudStorage
from tests.fakes.dataflow import FakeDataflow
from threadmill.settings import get_settings

ROOT = "gs://bucket-one/root"


class Cloud(NamedTuple):
    """The servers, and a folder that tells the stages of the tests what to do."""

    dataflow: FakeDataflow
    storage: FakeCloudStorage
    control: Path
    set: Callable[..., None]


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[FakeDataflow, FakeCloudStorage]]:
    with FakeCloudStorage(tmp_path_factory.mktemp("buckets")) as storage:
        storage.make_bucket("bucket-one")
        with FakeDataflow(execute=True, environment={"STORAGE_EMULATOR_HOST": storage.url}) as dataflow:
            yield dataflow, storage


@pytest.fixture
def cloud(
    servers: tuple[FakeDataflow, FakeCloudStorage],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> Iterator[Cloud]:
    """Each test has a root of its own; no fault and no job is left to it."""
    dataflow, storage = servers
    dataflow.faults.clear()
    dataflow.ledger.jobs.clear()

    def set_(**settings: str) -> None:
        for name, value in settings.items():
            monkeypatch.setenv(f"THREADMILL_{name.upper()}", value)
        get_settings.cache_clear()

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", storage.url)
    control = tmp_path / "control"
    control.mkdir()
    set_(
        engine="dataflow",
        project="project-one",
        region="us-central1",
        root=f"{ROOT}/{uuid.uuid4().hex[:8]}",
        poll_seconds="0.05",
        dataflow_endpoint=dataflow.url,  # THREADMILL_DATAFLOW_ENDPOINT
    )
    yield Cloud(dataflow, storage, control, set_)
    monkeypatch.undo()
    get_settings.cache_clear()


@pytest.fixture
def uri(cloud: Cloud) -> str:
    return f"{get_settings().root}/numbers"
