"""A run's logs, safe before a checkpoint counts: on the disk, and beside checkpoints that are elsewhere.

So a machine without any of the run's files goes on with whole logs, and no checkpoint is ahead of them after a power cut.
TensorBoard's event files are copied as they are, for a dataset in a bucket: each machine of a run adds one of its own.
"""

import os
from collections.abc import Sequence

from threadmill.datasets import storage
from threadmill.training.runs.reaching import reaching

_BLOCK = 1 << 24


class LogCopies:
    """Local files, and their copies in a folder or bucket.

    Args:
        paths: of the files, which need not be there.
        uri: of the folder; "" for no copies.
    """

    def __init__(self, paths: Sequence[str], uri: str) -> None:
        self._paths = paths
        self._pairs = [(path, storage.join(uri, os.path.basename(path))) for path in paths if uri]

    def fetch(self) -> None:
        """Takes over each copy that has more in it than the file here: another machine went on from where this one was.

        Raises:
            CheckpointError: the place is not to be reached.
        """
        for path, uri in self._pairs:
            with reaching(f"{uri} is not read"):
                if storage.size(uri) > storage.size(path):
                    _copy(uri, path)

    def publish(self) -> None:
        """Sees to it that all that was written is on the disk, and brings the copies up to date."""
        for path in filter(os.path.exists, self._paths):
            _sync(path)
        for path, uri in self._pairs:
            if os.path.exists(path):
                _copy(path, uri)


def copy_events(folder: str, uri: str) -> None:
    """Brings the copies below ``uri`` of the files in ``folder`` up to date; those of other machines stay."""
    for name in sorted(os.listdir(folder)):
        source, target = os.path.join(folder, name), storage.join(uri, name)
        if storage.size(target) != os.path.getsize(source):
            _copy(source, target)


def _sync(path: str) -> None:
    with open(path, "rb") as stream:
        os.fsync(stream.fileno())


def _copy(source: str, target: str) -> None:
    with storage.open_read(source) as stream, storage.atomic_writer(target) as copy:
        while block := stream.read(_BLOCK):
            copy.write(block)
