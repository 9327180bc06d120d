"""The lease of a dataset in Cloud Storage: one holder at a time, whatever becomes of holders."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from tests.fakes.cloud_storage import FakeCloudStorage
from threadmill.datasets import lease, storage
from threadmill.datasets.counters import Counters
from threadmill.datasets.lock import LOCK_NAME, writer_lock
from threadmill.datasets.manifest import Manifest, find_manifest, write_manifest
from threadmill.errors import DatasetLockedError

URI = "gs://bucket/data"
LOCK = f"{URI}/{LOCK_NAME}"
HOLD = """
import sys, time
from threadmill.datasets import lease
from threadmill.datasets.lock import writer_lock
lease.RENEW_SECONDS = 0.05
with writer_lock("gs://bucket/data"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, cloud: FakeCloudStorage) -> None:
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.05)
    monkeypatch.setattr(lease, "STALE_SECONDS", 1.0)
    monkeypatch.setattr(lease, "LOOK_SECONDS", 0.02)


def manifest(name: str = "data", **changes: object) -> Manifest:
    return Manifest(name, "stage", 1, {}, (), (), (), Counters(), created_at=f"{time.time()}", **changes)  # type: ignore[arg-type]


def test_held_while_the_block_runs() -> None:
    with writer_lock(URI):
        holder = orjson.loads(storage.read_bytes(LOCK))
        assert holder["host"] == socket.gethostname()
        first = storage.version(LOCK)
        time.sleep(0.3)
        assert storage.version(LOCK) != first, "it is renewed"
    assert storage.list_names(URI) == []


def test_a_second_writer_is_told_who_writes() -> None:
    with writer_lock(URI), pytest.raises(DatasetLockedError, match=f"pid .* on {socket.gethostname()}"), writer_lock(URI):
        pass


def test_a_killed_writer_of_this_machine_blocks_nobody() -> None:
    with subprocess.Popen([sys.executable, "-c", HOLD], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(DatasetLockedError), writer_lock(URI):
            pass
        process.kill()
    begun = time.monotonic()
    with writer_lock(URI):
        assert time.monotonic() - begun < lease.STALE_SECONDS


def test_a_lease_of_another_machine_is_taken_over_when_it_is_not_renewed() -> None:
    storage.write_bytes(LOCK, b'{"host": "other", "pid": 1}')
    begun = time.monotonic()
    with writer_lock(URI):
        assert time.monotonic() - begun >= lease.STALE_SECONDS
        assert orjson.loads(storage.read_bytes(LOCK))["host"] == socket.gethostname()


def test_who_lost_its_lease_writes_no_manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW_SECONDS", 60.0)
    with writer_lock(URI):
        storage.write_bytes(LOCK, b'{"host": "other", "pid": 1}')
        with pytest.raises(DatasetLockedError, match="taken over its lease"):
            write_manifest(URI, manifest())
    assert find_manifest(URI) is None
    assert orjson.loads(storage.read_bytes(LOCK))["host"] == "other", "another's lease is not released"


@pytest.mark.parametrize("kind", ["lost_response", "503"])
def test_faults_of_the_service_leave_it_held(cloud: FakeCloudStorage, kind: str) -> None:
    for call in ("objects.insert", "objects.get", "objects.delete"):
        cloud.faults.add(call, kind)
    with writer_lock(URI):
        write_manifest(URI, manifest())
    assert storage.list_names(URI) == ["manifest.json"]


def test_two_writers_never_both_win() -> None:
    write_manifest(URI, manifest("first"))
    with pytest.raises(DatasetLockedError, match="written by another run meanwhile"):
        write_manifest(URI, manifest("second"))
    write_manifest(URI, manifest("first"))
    assert find_manifest(URI) == find_manifest(URI)
    write_manifest(URI, manifest("first", jobs=({"kind": "dataflow", "id": "1"},)))
    found = find_manifest(URI)
    assert found is not None
    assert (found.name, found.jobs) == ("first", ({"kind": "dataflow", "id": "1"},))


def test_no_lease_on_a_local_folder(tmp_path: Path, cloud: FakeCloudStorage) -> None:
    with writer_lock(str(tmp_path)):
        write_manifest(str(tmp_path), manifest())
    assert sum(cloud.faults.calls.values()) == 0
