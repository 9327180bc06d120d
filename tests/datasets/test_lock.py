import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from threadmill.datasets.lock import LOCK_NAME, writer_lock
from threadmill.errors import ConfigError, DatasetLockedError

HOLDER = """
import sys
from threadmill.datasets.lock import writer_lock
with writer_lock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.readline()
"""


@contextmanager
def holder(folder: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the lock until it reads a line."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        try:
            yield process
        finally:
            process.kill()


def test_a_second_writer_is_refused_and_told_who_holds_the_lock(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        with pytest.raises(DatasetLockedError) as raised, writer_lock(str(tmp_path)):
            pytest.fail("two writers")
        assert f"{tmp_path} is being written by another process (pid {process.pid}); wait" in str(raised.value)
        process.communicate("end\n")
        with writer_lock(str(tmp_path)):
            assert (tmp_path / LOCK_NAME).read_text() == str(os.getpid())
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_blocks_nobody(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert (tmp_path / LOCK_NAME).exists()
        with writer_lock(str(tmp_path)):
            assert (tmp_path / LOCK_NAME).read_text() == str(os.getpid())
    assert list(tmp_path.iterdir()) == []


def test_a_second_writer_in_the_same_process_is_refused(tmp_path: Path) -> None:
    with writer_lock(str(tmp_path)):
        with pytest.raises(DatasetLockedError, match=str(os.getpid())), writer_lock(str(tmp_path)):
            pytest.fail("two writers")
        assert (tmp_path / LOCK_NAME).exists(), "the refused one leaves the holder's lock in place"


def test_the_lock_ends_with_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="stop"), writer_lock(str(tmp_path)):
        raise ValueError("stop")
    assert list(tmp_path.iterdir()) == []
    with writer_lock(str(tmp_path)):
        pass


def test_a_folder_that_was_removed_meanwhile_is_no_error(tmp_path: Path) -> None:
    folder = tmp_path / "dataset"
    folder.mkdir()
    with writer_lock(str(folder)):
        (folder / LOCK_NAME).unlink()
        folder.rmdir()


def test_children_do_not_hold_the_lock_on(tmp_path: Path) -> None:
    with writer_lock(str(tmp_path)):
        child = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.readline()"], stdin=subprocess.PIPE)
    with child:
        with writer_lock(str(tmp_path)):
            pass
        child.kill()


def test_a_remote_dataset_is_refused_with_the_remedy() -> None:
    with (
        pytest.raises(ConfigError, match=r"s3://bucket/data is not on this machine or in Cloud Storage.*name a folder"),
        writer_lock("s3://bucket/data"),
    ):
        pytest.fail("locked")
