import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import threadmill

_CALL = """
import os, sys
import threadmill
assert "numba" not in sys.modules
from threadmill.randomness import mix  # a compiled kernel
mix(1)
print(os.environ.get("NUMBA_CACHE_DIR", "none"))
"""
_NO_FOLDER = "/dev/null"  # root may write in any folder, but not in what is none


@pytest.fixture
def call_a_kernel(tmp_path: Path) -> Callable[..., str]:
    """Runs a copy of the package, with the variables given, in a process of its own; tells the folder of kernels it set."""
    package = tmp_path / "package" / "threadmill"
    shutil.copytree(Path(threadmill.__file__).parent, package, ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "temporary").mkdir()

    def call(*, read_only: bool = True, **variables: str) -> str:
        if read_only:
            (package / "__pycache__").touch()
        kept = {name: value for name, value in os.environ.items() if name not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
        given = {"PYTHONPATH": str(package.parent), "HOME": _NO_FOLDER, "TMPDIR": str(tmp_path / "temporary"), **variables}
        command = [sys.executable, "-c", _CALL]
        done = subprocess.run(command, env={**kept, **given}, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.stderr == ""
        return done.stdout.strip()

    return call


def test_kernels_are_kept_among_temporary_files_where_neither_package_nor_home_can_be_written(
    call_a_kernel: Callable[..., str], tmp_path: Path
) -> None:
    folder = Path(call_a_kernel())
    assert folder.parent == tmp_path / "temporary"
    assert folder.stat().st_mode & 0o077 == 0
    kernels = {path: path.stat().st_mtime_ns for path in folder.rglob("*.nbc")}
    assert kernels
    assert Path(call_a_kernel()) == folder  # and found again
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.nbc")} == kernels


def test_a_folder_that_others_can_write_is_not_trusted(call_a_kernel: Callable[..., str], tmp_path: Path) -> None:
    planted = tmp_path / "temporary" / f"threadmill-kernels-{os.getuid()}"
    planted.mkdir()
    planted.chmod(0o777)
    folder = Path(call_a_kernel())
    assert folder != planted
    assert folder.stat().st_mode & 0o077 == 0
    assert not list(planted.iterdir())


def test_nothing_is_set_where_numba_finds_a_folder(call_a_kernel: Callable[..., str], tmp_path: Path) -> None:
    assert call_a_kernel(read_only=False) == "none"
    assert call_a_kernel(HOME=str(tmp_path / "home")) == "none"
    assert call_a_kernel(NUMBA_CACHE_DIR=str(tmp_path / "mine")) == str(tmp_path / "mine")
