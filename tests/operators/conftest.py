"""Operators run as Airflow runs them, less Airflow's own steps around `execute`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.airflow_home  # noqa: F401
from threadmill.settings import get_settings


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """THREADMILL_ROOT."""
    root = tmp_path / "root"
    monkeypatch.setenv("THREADMILL_ROOT", str(root))
    monkeypatch.setenv("THREADMILL_WORKERS", "1")
    monkeypatch.delenv("THREADMILL_REDDIT_SOURCE", raising=False)
    get_settings.cache_clear()
    yield root
    get_settings.cache_clear()
