"""What the tests of the Beam engine share."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from threadmill.settings import get_settings

UseBeam = Callable[..., None]


@pytest.fixture
def use_beam(monkeypatch: pytest.MonkeyPatch) -> Iterator[UseBeam]:
    """Sets the engine to beam, with more settings by name; without any, in this process."""

    def use(runner: str = "FnApiRunner", **settings: str) -> None:
        for name, value in {"engine": "beam", "beam_runner": runner, **settings}.items():
            monkeypatch.setenv(f"THREADMILL_{name.upper()}", value)
        get_settings.cache_clear()

    yield use
    monkeypatch.undo()
    get_settings.cache_clear()


@pytest.fixture
def control(tmp_path: Path) -> Path:
    folder = tmp_path / "control"
    folder.mkdir()
    return folder
