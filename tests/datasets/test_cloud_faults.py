"""Every call to Cloud Storage with every fault: the result is right, or there is one line; nothing half-written is listed."""

import os
from collections.abc import Callable
from itertools import product

import pytest

from tests.fakes.cloud_storage import FakeCloudStorage
from threadmill.datasets import cloud_calls, cloud_streams, storage
from threadmill.errors import ConfigError, ThreadmillError, TransferError

FOLDER = "gs://bucket/data"
CONTENT = os.urandom(900_000)
FAULTS = ("503", "429", "timeout", "lost_response", "wrong_crc", "403")
Case = tuple[Callable[[], object], object, dict[str, bytes]]


@pytest.fixture(autouse=True)
def _small_and_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams of many chunks from few bytes, and retries at once."""
    for name, value in {"WHOLE_BYTES": 100_000, "CHUNK_BYTES": 262_144, "_MIB": 65_536, "_NEAR_BYTES": 1_000}.items():
        monkeypatch.setattr(cloud_streams, name, value)
    for module in (cloud_calls, cloud_streams, storage._store("gs://")):
        monkeypatch.setattr(module, "RETRY", cloud_calls.RETRY.with_delay(0.001, 0.01, 2).with_timeout(20))


def write_stream() -> None:
    with storage.atomic_writer(f"{FOLDER}/new") as stream:
        stream.write(CONTENT)


def read_stream() -> bytes:
    with storage.open_read(f"{FOLDER}/big") as stream:
        return stream.read()


def read_part() -> bytes:
    with storage.open_read(f"{FOLDER}/big") as stream:
        stream.seek(-2000, os.SEEK_END)
        return stream.read(1000)


BEFORE = {"small": b"small", "big": CONTENT}
# What is done, what it returns, and what is in the folder after it.
CASES: dict[str, Case] = {
    "write small": (lambda: storage.write_bytes(f"{FOLDER}/new", b"new"), None, {**BEFORE, "new": b"new"}),
    "replace small": (lambda: storage.write_bytes(f"{FOLDER}/small", b"new"), None, {**BEFORE, "small": b"new"}),
    "write stream": (write_stream, None, {**BEFORE, "new": CONTENT}),
    "read small": (lambda: storage.read_bytes(f"{FOLDER}/small"), b"small", BEFORE),
    "read stream": (read_stream, CONTENT, BEFORE),
    "read part": (read_part, CONTENT[-2000:-1000], BEFORE),
    "size": (lambda: storage.size(f"{FOLDER}/big"), len(CONTENT), BEFORE),
    "list": (lambda: storage.list_names(FOLDER), ["big", "small"], BEFORE),
    "exists": (lambda: storage.exists(f"{FOLDER}/none"), False, BEFORE),
    "rename": (lambda: bool(storage.rename(f"{FOLDER}/small", f"{FOLDER}/new")), None, {"big": CONTENT, "new": b"small"}),
    "remove": (lambda: storage.remove(f"{FOLDER}/small"), None, {"big": CONTENT}),
    "remove tree": (lambda: storage.remove_tree(FOLDER), None, {}),
}


def contents(cloud: FakeCloudStorage) -> dict[str, bytes]:
    folder = cloud.files.root / "bucket" / "data"
    return {path.name: path.read_bytes() for path in folder.iterdir()} if folder.is_dir() else {}


def calls_of(cloud: FakeCloudStorage, case: Case) -> list[str]:
    """The calls that it makes where nothing goes wrong, each as often as it is made."""
    prepare(cloud)
    case[0]()
    return sorted(call for call in cloud.faults.calls.elements() if call != "storage.buckets.get")


def prepare(cloud: FakeCloudStorage) -> None:
    cloud.faults.clear()
    for uri in cloud.objects():
        (cloud.files.root / uri.removeprefix("gs://")).unlink()
    folder = cloud.files.root / "bucket" / "data"
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in BEFORE.items():
        (folder / name).write_bytes(content)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_each_call_with_each_fault(cloud: FakeCloudStorage, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    calls = calls_of(cloud, CASES[name])
    rows = []
    for kind, call in product(FAULTS, sorted(set(calls))):
        if (name, kind) == ("read part", "wrong_crc"):
            continue  # Cloud Storage has no checksum of a part: TLS guards it
        outcomes = [one_fault(cloud, CASES[name], call, kind, skip) for skip in range(min(calls.count(call), 6))]
        rows.append(f"{name:14} {call.removeprefix('storage.'):16} {kind:14} {', '.join(outcomes)}")
    if os.environ.get("THREADMILL_FAULT_TABLE"):
        with capsys.disabled():
            print(*rows, sep="\n")  # noqa: T201


def one_fault(cloud: FakeCloudStorage, case: Case, call: str, kind: str, skip: int) -> str:
    """What comes of the fault at the call's time ``skip`` + 1: "right", or the error's name."""
    function, expected, after = case
    prepare(cloud)
    cloud.faults.add(call, kind, skip=skip, seconds=0.05)
    result, error = outcome(function)
    found = contents(cloud)
    assert all(content in (BEFORE.get(name), after.get(name)) for name, content in found.items()), "each as before or as after"
    if error is None:
        assert expected is None or result == expected
        assert found == after
        return "right"
    assert "\n" not in str(error)
    assert "gs://bucket" in str(error)
    assert isinstance(error, ConfigError if kind == "403" else TransferError), "what passes is tried again"
    return type(error).__name__


def outcome(function: Callable[[], object]) -> tuple[object, ThreadmillError | None]:
    """What it returns, or the error."""
    try:
        return function(), None
    except ThreadmillError as error:
        return None, error
