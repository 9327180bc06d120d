import hashlib
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest

from threadmill.cloud import package
from threadmill.errors import ConfigError, InputError
from threadmill.settings import get_settings


@pytest.fixture
def named(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    package.wheel_bytes.cache_clear()
    get_settings.cache_clear()
    yield monkeypatch
    package.wheel_bytes.cache_clear()
    get_settings.cache_clear()


def test_the_wheel_installed_elsewhere_is_of_the_same_build_and_packs_to_the_same_bytes(tmp_path: Path) -> None:
    staged = package.stage_package(str(tmp_path / "packages"))
    site = tmp_path / "site"
    install = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-index",
        "--no-deps",
        "--no-compile",
        "--target",
        str(site),
    ]
    subprocess.run([*install, staged.wheel_uri], check=True)
    program = (
        "import hashlib, threadmill; from threadmill.cloud import package; from threadmill.warehouse.statements import googlesql;"
        "print(threadmill.__file__, package.build_id(), hashlib.sha256(package.wheel_bytes()).hexdigest());"
        "print(len(googlesql('threads')))"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env={"PYTHONPATH": str(site)}, check=True, capture_output=True, text=True
    ).stdout.split()
    assert found[0] == str(site / "threadmill" / "__init__.py")
    assert found[1] == staged.build_id == package.build_id()
    assert found[2] == hashlib.sha256(Path(staged.wheel_uri).read_bytes()).hexdigest()
    assert int(found[3]) > 0


def test_a_build_is_staged_once(tmp_path: Path) -> None:
    first = package.stage_package(str(tmp_path))
    written = Path(first.wheel_uri).stat().st_mtime_ns
    assert package.stage_package(str(tmp_path)) == first
    assert Path(first.wheel_uri).stat().st_mtime_ns == written


def test_an_upload_that_was_cut_is_made_good(tmp_path: Path) -> None:
    staged = package.stage_package(str(tmp_path))
    Path(staged.wheel_uri).write_bytes(b"half")
    package.stage_package(str(tmp_path))
    assert zipfile.is_zipfile(staged.wheel_uri)


def test_a_host_is_held_to_the_versions_of_the_launcher(tmp_path: Path) -> None:
    lines = Path(package.stage_package(str(tmp_path)).constraints_uri).read_text().splitlines()
    assert f"polars=={metadata.version('polars')}" in lines
    assert f"keras=={metadata.version('keras')}" in lines
    assert not [line for line in lines if line.startswith(("apache-airflow", "pytest"))]


def test_each_line_of_a_workers_requirements_is_one_argument_of_pip_and_none_is_missing(tmp_path: Path) -> None:
    wheel, requirements = package.worker_files(tmp_path)
    assert wheel.name.endswith("-py3-none-any.whl")
    lines = requirements.read_text().splitlines()
    assert all(line.count("==") == 1 and not {" ", ";", "#", "--", "@"} & set(line) for line in lines)
    names = {line.partition("==")[0] for line in lines}
    assert {"polars", "polars-runtime-32", "llvmlite", "google-cloud-storage", "google-auth"} <= names, "what they need too"
    assert not {"apache-beam", "tensorflow", "threadmill"} & names


def test_the_build_depends_on_each_source_and_on_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library = tmp_path / "threadmill"
    library.mkdir()
    (library / "__init__.py").write_text("one = 1")
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "threads.sql").write_text("SELECT 1")
    monkeypatch.setattr(package, "_ROOT", library)
    build_id = package.build_id.__wrapped__
    first = build_id()
    (library / "__pycache__").mkdir()
    (library / "__pycache__" / "cached.py").write_text("")
    (library / "kernels.nbc").write_text("machine code")
    assert build_id() == first
    (tmp_path / "sql" / "threads.sql").write_text("SELECT 2")
    second = build_id()
    assert second != first
    (library / "__init__.py").write_text("one = 2")
    assert build_id() not in (first, second)


class TestAWheelMadeBefore:
    def test_is_taken(self, named: pytest.MonkeyPatch, tmp_path: Path) -> None:
        wheel, _ = package.worker_files(tmp_path)
        content = wheel.read_bytes()
        package.wheel_bytes.cache_clear()
        named.setenv("THREADMILL_PACKAGE", str(wheel))
        get_settings.cache_clear()
        assert package.wheel_bytes() == content

    def test_of_another_build_is_refused(self, named: pytest.MonkeyPatch, tmp_path: Path) -> None:
        other = tmp_path / "threadmill-0.0.9-py3-none-any.whl"
        with zipfile.ZipFile(other, "w") as wheel:
            wheel.writestr("threadmill/__init__.py", "older = True")
        named.setenv("THREADMILL_PACKAGE", str(other))
        with pytest.raises(ConfigError, match=f"of build [0-9a-f]{{16}}, but this installation of {package.build_id()}; make"):
            package.stage_package(str(tmp_path / "staged"))

    def test_that_is_none_is_refused(self, named: pytest.MonkeyPatch, tmp_path: Path) -> None:
        named.setenv("THREADMILL_PACKAGE", str(tmp_path / "none.whl"))
        with pytest.raises(InputError, match=r"is no wheel .*; name one, or unset it"):
            package.stage_package(str(tmp_path / "staged"))
