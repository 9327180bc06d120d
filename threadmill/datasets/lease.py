"""One writer a dataset in Cloud Storage: a lease object that its owner renews as long as it lives, and another takes over after.

No clock is compared with another's: who waits for a lease watches whether it is renewed.
"""

import contextvars
import logging
import os
import socket
import threading
import time
import uuid
from typing import Any

import orjson

from threadmill.datasets.cloud_storage import read_bytes, remove
from threadmill.datasets.cloud_streams import find, put
from threadmill.errors import DatasetLockedError, ThreadmillError

log = logging.getLogger(__name__)

RENEW_SECONDS = 15.0
STALE_SECONDS = 75.0  # the owner of a lease that is not renewed for so long is dead, or cut off
LOOK_SECONDS = 3.0


class Lease:
    """The sole right to write the dataset at ``uri``, until `release`.

    Args:
        path: URI of the lease object.

    Raises:
        DatasetLockedError: another holds it, and renews it.
    """

    def __init__(self, uri: str, path: str) -> None:
        self._uri, self._path = uri, path
        self._owner = {"host": socket.gethostname(), "boot": _boot(), "pid": os.getpid(), "id": uuid.uuid4().hex}
        self._renewals = 0
        self._lost = ""
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._generation = self._acquire()
        run = contextvars.copy_context().run  # with the credentials of the block that holds it
        self._thread = threading.Thread(target=run, args=(self._keep,), name="lease", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Proves that the lease is still held, by renewing it.

        Raises:
            DatasetLockedError: another has taken it over, as this process did not renew it in time.
        """
        with self._lock:
            self._renew()
            if self._lost:
                raise DatasetLockedError(f"{self._uri}: {self._lost}; see to it that one run writes there, then run it again")

    def release(self) -> None:
        """Gives the right up."""
        self._ended.set()
        self._thread.join()
        try:
            remove(self._path, self._generation)
        except ThreadmillError as error:
            log.warning("%s (the lease of %s ends by itself in %d s)", error, self._uri, STALE_SECONDS)

    def _acquire(self) -> int:
        seen, since = 0, time.monotonic()
        while True:
            there = find(self._path)
            generation = there.generation if there is not None else 0
            if generation != seen:
                if generation and seen:
                    raise DatasetLockedError(self._held_by_another())
                seen, since = generation, time.monotonic()
            free = not generation or self._is_dead(since)
            written = put(self._path, self._content(), generation) if free else None
            if written is not None:
                return written.generation
            if not free:
                time.sleep(LOOK_SECONDS)

    def _is_dead(self, since: float) -> bool:
        """True where the holder was a process of this machine that is no more, or has not renewed since ``since``."""
        holder = self._holder()
        here = (holder.get("host"), holder.get("boot")) == (self._owner["host"], self._owner["boot"])
        if here and not _is_alive(int(holder.get("pid", 0))):
            return True
        return time.monotonic() - since > STALE_SECONDS

    def _held_by_another(self) -> str:
        holder = self._holder()
        who = f"pid {holder.get('pid')} on {holder.get('host')}"
        return f"{self._uri} is being written by another process ({who}); wait for it to end, or stop it, then retry"

    def _holder(self) -> dict[str, Any]:
        try:
            value = orjson.loads(read_bytes(self._path))
        except (FileNotFoundError, ValueError):
            return {}
        return value if isinstance(value, dict) else {}

    def _content(self) -> bytes:
        return orjson.dumps({**self._owner, "renewals": self._renewals})

    def _keep(self) -> None:
        while not self._ended.wait(RENEW_SECONDS):
            with self._lock:
                try:
                    self._renew()
                except ThreadmillError as error:
                    log.warning("%s (the lease of %s is not renewed; trying again)", error, self._uri)
                if self._lost:
                    log.error("%s: %s", self._uri, self._lost)
                    return

    def _renew(self) -> None:
        if self._lost:
            return
        self._renewals += 1
        written = put(self._path, self._content(), self._generation)
        if written is None:
            self._lost = "another process has taken over its lease, or removed it, while this one was out of reach"
        else:
            self._generation = written.generation


def _boot() -> str:
    """What tells this start of this machine, or of this container, from others of the same host name."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            boot = file.read().strip()
        return f"{boot}-{os.stat('/proc/self/ns/pid').st_ino}"
    except OSError:
        return uuid.uuid4().hex  # unknown: none is taken for ours


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
