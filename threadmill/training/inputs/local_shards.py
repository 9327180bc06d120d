"""Shards in a bucket as files on this machine, fetched when they are first read: TensorFlow's own readers want paths.

Each comes whole and checked (the store's checksum), and stays for the next epoch as long as the disk has room.
"""

import os
import shutil
import tempfile
import threading
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from threadmill.datasets import storage

_BLOCK = 1 << 20
_SPARE_BYTES = 2 << 30  # left free for checkpoints and the export


class FilesHere:
    """Files on this machine, as `FetchedFiles` has those of a bucket."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = [storage.local_path(path) for path in paths]
        self.error: Exception | None = None

    def numbers(self) -> Any:
        """int64[N]: what `path` takes."""
        return tf.range(len(self._paths), dtype=tf.int64)

    def path(self, number: Any) -> Any:
        """The path of a file, a scalar string tensor."""
        return tf.gather(tf.constant(self._paths), number)


class FetchedFiles:
    """The files at ``uris``, in a folder for temporary files. Any thread may ask for one."""

    def __init__(self, uris: Sequence[str]) -> None:
        self._uris = uris
        self._lock = threading.Lock()
        self._locks = [threading.Lock() for _ in uris]
        self._folder = ""
        self._kept: list[str] = []
        self.error: Exception | None = None

    def numbers(self) -> Any:
        """int64[N]: what `path` takes."""
        return tf.range(len(self._uris), dtype=tf.int64)

    def path(self, number: Any) -> Any:
        """The path of a file, a scalar string tensor; fetched where it is not there."""
        path = tf.numpy_function(self._fetch, [number], tf.string, stateful=True)
        return tf.ensure_shape(path, [])

    def _fetch(self, number: Any) -> bytes:
        try:
            with self._locks[int(number)]:
                return self._fetched(int(number)).encode()
        except Exception as error:  # TensorFlow tells its text alone
            self.error = error
            raise

    def _fetched(self, number: int) -> str:
        with self._lock:
            self._folder = self._folder or tempfile.mkdtemp(prefix="shards-")
        uri = self._uris[number]
        path = os.path.join(self._folder, f"{number}-{storage.name_of(uri)}")
        if not os.path.exists(path):
            self._make_room(storage.size(uri))
            with storage.open_read(uri) as source, storage.atomic_writer(path) as copy:
                shutil.copyfileobj(source, copy, _BLOCK)
            with self._lock:
                self._kept.append(path)
        return path

    def _make_room(self, size: int) -> None:
        """Removes the files that came first; who reads one has it open, and reads on."""
        with self._lock:
            while self._kept and shutil.disk_usage(self._folder).free < size + _SPARE_BYTES:
                storage.remove(self._kept.pop(0))


Shards = FilesHere | FetchedFiles


def open_shards(uris: Sequence[str]) -> Shards:
    """The files at ``uris``, all in one store, in this order."""
    return FilesHere(uris) if storage.is_local(uris[0]) else FetchedFiles(uris)
