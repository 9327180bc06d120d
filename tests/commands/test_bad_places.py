"""Folders that cannot be written: one line, exit status 2, and nothing half-written is left."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.airflow_home import REPOSITORY
from threadmill.corpora.sample import write_sample

LIMIT = 1_000_000


@pytest.fixture(scope="module")
def dump(tmp_path_factory: pytest.TempPathFactory) -> str:
    (path,) = write_sample(str(tmp_path_factory.mktemp("dumps")), comments=20_000)
    return str(path)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of a megabyte, where this user may make one; else a plain one, for files of a megabyte at most."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = not subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={LIMIT}", "tmpfs", str(folder)], capture_output=True
    ).returncode
    try:
        yield folder
    finally:
        if mounted:
            subprocess.run(["umount", "--lazy", str(folder)], check=True)


def complaint(*arguments: str) -> str:
    """The one line that the command fails with."""
    run = subprocess.run(
        [sys.executable, "-m", "threadmill.cli", "--quiet", *arguments],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT)),
    )
    assert run.returncode == 2, run.stderr
    assert run.stdout == ""
    (line,) = run.stderr.splitlines()
    assert line.startswith("threadmill: error: ")
    return line


@pytest.mark.parametrize("flags", [[], ["--keep-stages"]], ids=["one pass", "stages"])
def test_a_full_disk(dump: str, small_disk: Path, flags: list[str]) -> None:
    line = complaint("reddit", dump, "--output", str(small_disk / "out"), *flags)
    assert str(small_disk) in line
    assert line.endswith("check that it is there, writable and has room")
    assert not [path for path in small_disk.rglob("*") if path.is_file()]


@pytest.mark.parametrize("place", ["file/out", "/proc/threadmill"])
def test_a_folder_that_cannot_be_made(dump: str, tmp_path: Path, place: str) -> None:
    (tmp_path / "file").touch()
    line = complaint("reddit", dump, "--output", os.path.join(tmp_path, place))
    assert place in line
    assert (tmp_path / "file").read_bytes() == b""
