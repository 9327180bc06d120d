"""The doctor of a laptop."""

import sys
from pathlib import Path

import pytest

from threadmill.cli import main
from threadmill.doctor import here
from threadmill.doctor.checkup import FAIL, PASS, SKIP, Patient
from threadmill.settings import Settings, get_settings


def patient(root: Path) -> Patient:
    return Patient(Settings(platform="local", root=str(root)))


@pytest.fixture(autouse=True)
def no_airflow(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AIRFLOW_HOME", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


def test_a_machine_in_order_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADMILL_ROOT", str(tmp_path / "root"))
    get_settings.cache_clear()
    status = main(["doctor"])
    get_settings.cache_clear()
    lines = capsys.readouterr().out.splitlines()
    assert status == 0, lines
    assert [line.split()[0] for line in lines] == [PASS, PASS, PASS, PASS, SKIP, PASS]
    assert not (tmp_path / "root").exists()  # it leaves nothing behind


def test_a_root_that_cannot_be_written_fails_with_exit_status_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("THREADMILL_ROOT", str(tmp_path / "file" / "root"))
    get_settings.cache_clear()
    status = main(["doctor", "--json"])
    get_settings.cache_clear()
    assert status == 2
    assert '"command": "make it writable, or set THREADMILL_ROOT to a place that is"' in capsys.readouterr().out


def test_another_python_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here, "_PYTHON", (sys.version_info.major, sys.version_info.minor + 1))
    (finding,) = here.check_python(patient(tmp_path))
    assert finding.status == FAIL
    assert "is wanted" in finding.detail


def test_a_full_disk_and_little_memory_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here, "_DISK_GB", 1e9)
    monkeypatch.setattr(here, "_MEMORY_GB", 1e9)
    found = [*here.check_disk(patient(tmp_path)), *here.check_memory(patient(tmp_path))]
    assert [finding.status for finding in found] == [FAIL, FAIL]
    assert "THREADMILL_ROOT" in found[0].command
    assert "THREADMILL_WORKERS=1" in found[1].command


def test_a_package_that_is_missing_or_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = ["orjson", "polars>=999", 'nowhere-to-be-found>=1; extra == "gcp"']
    monkeypatch.setattr(here.metadata, "requires", lambda name: wanted)
    (finding,) = here.check_packages(patient(tmp_path))
    assert finding.status == FAIL
    assert "polars>=999" in finding.detail
    assert "nowhere" not in finding.detail  # it is needed with Google Cloud only
    (finding,) = here.check_packages(Patient(Settings(platform="gcp", root="gs://b/r")))
    assert "nowhere-to-be-found" in finding.detail
    assert finding.command == "pip install -e '.[gcp]' -c constraints.txt"


def test_an_airflow_whose_database_is_not_there_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_HOME", str(tmp_path / "airflow"))
    monkeypatch.setattr(sys, "executable", "/bin/false")
    (finding,) = here.check_airflow(patient(tmp_path))
    assert (finding.status, finding.command) == (FAIL, "airflow db migrate")
