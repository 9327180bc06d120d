"""One writer a dataset: a kernel lock on this machine, which ends with its process; a lease in Cloud Storage."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from threadmill.datasets import storage
from threadmill.errors import ConfigError, DatasetLockedError

if TYPE_CHECKING:
    from threadmill.datasets.lease import Lease

LOCK_NAME = ".lock"
_leases: "dict[str, Lease]" = {}


@contextmanager
def writer_lock(uri: str) -> Iterator[None]:
    """Holds the sole right to write the dataset at ``uri``.

    On this machine by flock(2), which the kernel releases when the process dies, so a killed writer blocks nobody. Child
    processes must be started by exec (not a bare fork), or they would hold the lock on. In Cloud Storage by a lease (see
    `threadmill.datasets.lease`): a killed writer blocks others for as long as they need to see that it is not renewed.

    Raises:
        ConfigError: the dataset is elsewhere.
        DatasetLockedError: another process holds it.
    """
    if storage.is_cloud(uri):
        with _leased(uri):
            yield
        return
    if not storage.is_local(uri):
        raise ConfigError(f"{uri} is not on this machine or in Cloud Storage (gs://), where datasets are written; name a folder")
    path = os.path.join(storage.local_path(uri), LOCK_NAME)
    descriptor = _acquire(path, uri)
    try:
        yield
    finally:
        # Unlinked while still held: who opened it meanwhile notices that the name is gone, and opens anew.
        with suppress(FileNotFoundError):  # who removed the folder meanwhile removed the lock too
            os.unlink(path)
        os.close(descriptor)


def check_lock(uri: str) -> None:
    """Sees to it that a lease of this process on ``uri``, where there is one, is still held; to be called before a manifest.

    Raises:
        DatasetLockedError: it was lost to another process.
    """
    lease = _leases.get(uri.rstrip("/"))
    if lease is not None:
        lease.check()


@contextmanager
def _leased(uri: str) -> Iterator[None]:
    from threadmill.datasets.lease import Lease

    place = uri.rstrip("/")
    lease = _leases[place] = Lease(uri, storage.join(uri, LOCK_NAME))
    try:
        yield
    finally:
        del _leases[place]
        lease.release()


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
