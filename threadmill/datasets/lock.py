"""One writer a dataset: a kernel lock that ends with its process, however that ends."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from threadmill.datasets import storage
from threadmill.errors import ConfigError, DatasetLockedError

LOCK_NAME = ".lock"


@contextmanager
def writer_lock(uri: str) -> Iterator[None]:
    """Holds the sole right to write the local dataset at ``uri``.

    Uses flock(2), which the kernel releases when the process dies, so a killed writer blocks nobody. Child processes
    must be started by exec (not a bare fork), or they would hold the lock on.

    Raises:
        ConfigError: the dataset is not local.
        DatasetLockedError: another process holds it.
    """
    if not storage.is_local(uri):
        raise ConfigError(f"{uri} is not on this machine, where datasets are written; name a local folder")
    path = os.path.join(storage.local_path(uri), LOCK_NAME)
    descriptor = _acquire(path, uri)
    try:
        yield
    finally:
        # Unlinked while still held: who opened it meanwhile notices that the name is gone, and opens anew.
        with suppress(FileNotFoundError):  # who removed the folder meanwhile removed the lock too
            os.unlink(path)
        os.close(descriptor)


def _acquire(path: str, uri: str) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            owner = os.read(descriptor, 32).decode(errors="replace") or "unknown"
            os.close(descriptor)
            raise DatasetLockedError(
                f"{uri} is being written by another process (pid {owner}); wait for it to end, or stop it, then retry"
            ) from None
        if _names_same_file(path, descriptor):
            os.ftruncate(descriptor, 0)
            os.write(descriptor, str(os.getpid()).encode())
            return descriptor
        os.close(descriptor)


def _names_same_file(path: str, descriptor: int) -> bool:
    try:
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    except FileNotFoundError:
        return False
