import json
import stat
from pathlib import Path

import pytest

from deploy import setup
from threadmill.settings import get_settings


@pytest.fixture
def passwords(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file of passwords, which is not there yet."""
    file = tmp_path / "passwords.json"
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE", str(file))
    monkeypatch.setenv("AIRFLOW_ADMIN_PASSWORD", "first")
    return file


def test_the_password_is_for_its_owner_alone(passwords: Path) -> None:
    setup.write_password()
    assert json.loads(passwords.read_text()) == {"admin": "first"}
    assert stat.S_IMODE(passwords.stat().st_mode) == 0o600


def test_a_new_password_replaces_the_administrators_and_keeps_the_others(passwords: Path) -> None:
    passwords.write_text('{"admin": "old", "reader": "theirs"}')
    setup.write_password()
    assert json.loads(passwords.read_text()) == {"admin": "first", "reader": "theirs"}
    assert [path.name for path in passwords.parent.iterdir()] == ["passwords.json"]


def test_without_a_password_nothing_is_written(passwords: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AIRFLOW_ADMIN_PASSWORD")
    setup.write_password()
    assert not passwords.exists()


def test_a_damaged_file_is_told_in_one_line(passwords: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    passwords.write_text("{")
    monkeypatch.setattr(setup, "set_up", setup.write_password)
    message = setup.main([])
    assert message == f"{passwords} is no JSON; remove it and run deploy/setup.py again"


def test_the_files_for_another_airflow_hold_pools_and_a_connection_without_secrets(tmp_path: Path) -> None:
    assert setup.main(["--write", str(tmp_path)]) is None
    pools = json.loads((tmp_path / "pools.json").read_text())
    assert all(pool["slots"] > 0 and pool["description"] for pool in pools.values())
    connections = json.loads((tmp_path / "connections.json").read_text())
    assert set(connections) == {"google_cloud_default"}
    assert "password" not in connections["google_cloud_default"]


def test_a_wrong_setting_shows_before_anything_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADMILL_POOLS", "gpu=1")
    get_settings.cache_clear()
    done: list[tuple[str, ...]] = []
    monkeypatch.setattr(setup, "_airflow", lambda *arguments: done.append(arguments))
    try:
        assert "THREADMILL_POOLS has 'gpu=1'" in (setup.main([]) or "")
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()
    assert done == []
