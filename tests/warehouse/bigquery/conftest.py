from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fakes.bigquery import FakeBigQuery
from tests.fakes.bigquery_memory import Memory
from threadmill.settings import get_settings


@pytest.fixture
def bigquery(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeBigQuery]:
    """BigQuery without rows, and the settings to reach it."""
    with FakeBigQuery(Memory()) as fake:
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", fake.url)
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://localhost:1")  # anonymous credentials
        monkeypatch.setenv("THREADMILL_PROJECT", "p1")
        monkeypatch.setenv("THREADMILL_ROOT", str(tmp_path))
        get_settings.cache_clear()
        yield fake
    get_settings.cache_clear()
