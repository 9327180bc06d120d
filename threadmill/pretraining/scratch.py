"""Folders for what a stage keeps on this machine while it is at work."""

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from threadmill.datasets import storage
from threadmill.errors import InputError

_SHARED = "threadmill-shared"
_READY = "ready"


@contextmanager
def scratch_folder(uri: str) -> Iterator[Path]:
    """A folder that goes with the block: below a local output ``uri``, from where a later run removes what a killed one left,
    or a temporary one.
    """
    with tempfile.TemporaryDirectory(prefix=storage.TEMPORARY_PREFIX, dir=storage.scratch_folder(uri)) as scratch:
        try:
            yield Path(scratch)
        except OSError as error:
            if error.errno == errno.ENOSPC and error.filename is None:  # a write names no file
                error.filename = scratch
            raise


@contextmanager
def shared_folder(base: Path, key: str, size: int, what: str, fill: Callable[[Path], None]) -> Iterator[Path]:
    """A folder that the processes of this machine share, filled by the first that needs it.

    The folders of other keys in ``base`` are removed first, unless they are in use.

    Args:
        base: where it is made.
        key: names the content.
        size: bytes that it takes.
        what: for people, what it holds.
        fill: writes the content into an empty folder.

    Raises:
        InputError: there is no room for it.
    """
    base.mkdir(parents=True, exist_ok=True)
    remove_shared(base, but=key)
    with _locked(base / f"{key}.lock") as descriptor:
        folder = base / key
        if not (folder / _READY).exists():
            shutil.rmtree(folder, ignore_errors=True)
            _refuse_full(base, size, what)
            folder.mkdir()
            fill(folder)
            (folder / _READY).touch()
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        yield folder


def remove_shared(base: Path, but: str = "") -> None:
    """Removes the shared folders in ``base`` that no process uses, but for one key's."""
    for lock in base.glob("*.lock"):
        if lock.stem == but:
            continue
        with suppress(BlockingIOError, FileNotFoundError), _locked(lock, fcntl.LOCK_EX | fcntl.LOCK_NB):
            shutil.rmtree(lock.with_suffix(""), ignore_errors=True)
            lock.unlink(missing_ok=True)


def shared_base(uri: str) -> Path:
    """Where shared folders for a dataset at ``uri`` are made: in it, where it is on this machine, so that they go with it."""
    return Path(storage.scratch_folder(uri)) / f"{_SHARED}-{os.getuid()}"


@contextmanager
def _locked(path: Path, kind: int = fcntl.LOCK_EX) -> Iterator[int]:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, kind)
            with suppress(FileNotFoundError):  # who removed the folder has removed the lock's name
                if os.path.samestat(os.stat(path), os.fstat(descriptor)):
                    yield descriptor
                    return
        finally:
            os.close(descriptor)


def _refuse_full(base: Path, size: int, what: str) -> None:
    free = shutil.disk_usage(base).free
    if free < size:
        raise InputError(
            f"{base}: {what} takes {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free; give the machine more room "
            "(THREADMILL_DATAFLOW_DISK_GB for a Dataflow worker, TMPDIR for another), or set --no-next-sentence"
        )
