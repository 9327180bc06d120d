"""The fixture ``cloud`` of all tests: a fake Cloud Storage with the bucket gs://bucket for this process and its children."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.cloud_storage import FakeCloudStorage
from threadmill.settings import get_settings


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloudStorage]:
    """The fake; its objects are files below ``tmp_path / "buckets" / "bucket"``."""
    with FakeCloudStorage(tmp_path / "buckets") as server:
        server.make_bucket("bucket")
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.url)
        monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
        get_settings.cache_clear()
        yield server
