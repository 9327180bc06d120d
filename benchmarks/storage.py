"""Cloud Storage: our streams beside google-cloud-storage's own upload and download of the same file, over one fake, in one run.

The fake is a process of its own on this machine: figures tell what the two clients cost, not how fast a network is.
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

_MIB = 1 << 20
_SIZE = 256 * _MIB
_TIMES = 3


def main() -> None:
    """Prints MB/s of each and their ratio."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.fakes.cloud_storage", f"{folder}/buckets", "0", "bucket"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            assert server.stdout is not None
            os.environ["STORAGE_EMULATOR_HOST"] = server.stdout.readline().strip()
            try:
                _measure(Path(folder) / "shard")
            finally:
                server.terminate()


def _measure(path: Path) -> None:
    from threadmill.datasets import storage
    from threadmill.datasets.cloud_calls import blob

    path.write_bytes(os.urandom(_SIZE))

    def read_all() -> None:
        with storage.open_read("gs://bucket/shard") as stream:
            while stream.read(_MIB):
                pass

    ways: dict[str, tuple[Callable[[], object], Callable[[], object]]] = {
        "upload": (
            lambda: blob("gs://bucket/raw").upload_from_filename(str(path)),
            lambda: storage.copy(str(path), f"gs://bucket/shard-{time.monotonic_ns()}"),
        ),
        "download": (lambda: blob("gs://bucket/shard").download_to_filename(os.devnull), read_all),
    }
    storage.copy(str(path), "gs://bucket/shard")
    print(f"{'':10} {'client MB/s':>12} {'ours MB/s':>12} {'ratio':>7}")
    for name, (raw, ours) in ways.items():
        seconds = [(_seconds(raw), _seconds(ours)) for _ in range(_TIMES)]
        theirs, mine = (_SIZE / 1e6 / median(column) for column in zip(*seconds, strict=True))
        print(f"{name:10} {theirs:12.0f} {mine:12.0f} {mine / theirs:7.2f}", flush=True)


def _seconds(function: Callable[[], object]) -> float:
    begun = time.perf_counter()
    function()
    return time.perf_counter() - begun


if __name__ == "__main__":
    main()
