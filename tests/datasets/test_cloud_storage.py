"""gs:// by the real client against the fake: the same functions and promises as on a local folder."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import requests
from google.auth.credentials import AnonymousCredentials

from tests.fakes.cloud_storage import FakeCloudStorage
from threadmill.cloud.credentials import Access, use_access
from threadmill.datasets import cloud_calls, cloud_streams, storage
from threadmill.errors import ConfigError, RemoteWorkError, ThreadmillError, TransferError

MIB = 1 << 20


@pytest.fixture
def small_streams(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams of many chunks from few bytes."""
    monkeypatch.setattr(cloud_streams, "WHOLE_BYTES", 100_000)
    monkeypatch.setattr(cloud_streams, "CHUNK_BYTES", 262_144)
    monkeypatch.setattr(cloud_streams, "_MIB", 65_536)
    monkeypatch.setattr(cloud_streams, "_NEAR_BYTES", 1_000)


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retries at once, and not for long."""
    for module in (cloud_calls, cloud_streams, storage._store("gs://")):
        monkeypatch.setattr(module, "RETRY", cloud_calls.RETRY.with_delay(0.001, 0.01, 2).with_timeout(0.2))


@pytest.mark.usefixtures("cloud")
def test_what_is_written_is_read() -> None:
    storage.write_bytes("gs://bucket/a/b.txt", b"content")
    assert storage.read_bytes("gs://bucket/a/b.txt") == b"content"
    assert storage.size("gs://bucket/a/b.txt") == 7
    storage.write_bytes("gs://bucket/a/b.txt", b"other")
    assert storage.read_bytes("gs://bucket/a/b.txt") == b"other"


@pytest.mark.usefixtures("cloud", "small_streams")
@pytest.mark.parametrize("length", [0, 1, 100_000, 100_001, 262_144, 262_145, 1_500_000])
def test_streams_of_any_length(length: int) -> None:
    content = os.urandom(length)
    with storage.atomic_writer("gs://bucket/a") as stream:
        for first in range(0, length, 99_999):
            stream.write(content[first : first + 99_999])
    with storage.open_read("gs://bucket/a") as stream:
        assert stream.read() == content
        stream.seek(-5, 2) if length > 5 else None
        assert stream.read() == content[-5:] or length <= 5


@pytest.mark.usefixtures("cloud", "small_streams")
def test_parquet_is_read_by_its_parts() -> None:
    table = pa.table({"a": list(range(100_000)), "b": os.urandom(16) * 0 or [str(n) for n in range(100_000)]})
    with storage.atomic_writer("gs://bucket/a.parquet") as stream:
        pq.write_table(table, stream, row_group_size=10_000)
    with storage.open_read("gs://bucket/a.parquet") as stream, pq.ParquetFile(stream) as file:
        assert file.metadata.num_row_groups == 10
        assert file.read_row_group(7, ["a"])["a"].to_pylist() == list(range(70_000, 80_000))
        assert file.read().equals(table)


def test_what_raises_is_not_there(cloud: FakeCloudStorage) -> None:
    def fail() -> None:
        with storage.atomic_writer("gs://bucket/a") as stream:
            stream.write(bytes(40 * MIB))
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        fail()
    assert cloud.objects() == []
    assert not cloud.uploads, "the upload is cancelled"


@pytest.mark.usefixtures("cloud")
def test_folders() -> None:
    for name in ("a/1", "a/2", "a/b/3", "ab"):
        storage.write_bytes(f"gs://bucket/{name}", name.encode())
    assert storage.list_names("gs://bucket/a") == ["1", "2", "b"]
    assert storage.sizes("gs://bucket/a/") == {"1": 3, "2": 3, "b": -1}
    assert storage.list_names("gs://bucket") == ["a", "ab"]
    assert storage.list_names("gs://bucket/none") == []
    assert [storage.is_directory(f"gs://bucket/{name}") for name in ("a", "a/b", "ab", "none")] == [True, True, False, False]
    assert [storage.exists(f"gs://bucket/{name}") for name in ("a", "a/b", "ab", "none")] == [True, True, True, False]
    storage.remove_tree("gs://bucket/a")
    assert storage.list_names("gs://bucket") == ["ab"]
    storage.remove("gs://bucket/none")


def test_a_tree_goes_in_few_calls(cloud: FakeCloudStorage) -> None:
    for number in range(150):
        path = cloud.files.root / "bucket" / "tree" / str(number % 3) / str(number)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    storage.remove_tree("gs://bucket/tree")
    assert cloud.objects() == []
    assert (cloud.faults.calls["storage.batch"], cloud.faults.calls["storage.objects.list"]) == (2, 1)


def test_a_tree_goes_whatever_its_batch_meets(cloud: FakeCloudStorage, soon: None) -> None:
    for name in "abc":
        storage.write_bytes(f"gs://bucket/tree/{name}", b"")
    cloud.faults.add("storage.batch", "503")
    cloud.faults.add("objects.delete", "503", skip=2)
    storage.remove_tree("gs://bucket/tree")
    assert cloud.objects() == []


@pytest.mark.usefixtures("cloud")
def test_moved_over_what_is_there() -> None:
    storage.write_bytes("gs://bucket/a", b"new")
    storage.write_bytes("gs://bucket/b", b"old")
    storage.rename("gs://bucket/a", "gs://bucket/b")
    assert (storage.read_bytes("gs://bucket/b"), storage.exists("gs://bucket/a")) == (b"new", False)
    with pytest.raises(FileNotFoundError):
        storage.rename("gs://bucket/a", "gs://bucket/b")
    for number in range(20):
        storage.write_bytes(f"gs://bucket/from-{number}", str(number).encode())
    storage.rename_many([(f"gs://bucket/from-{n}", f"gs://bucket/to-{n}") for n in range(20)])
    assert storage.read_many([f"gs://bucket/to-{n}" for n in range(20)]) == [str(n).encode() for n in range(20)]


@pytest.mark.usefixtures("cloud")
def test_only_what_was_written_is_taken_back() -> None:
    with storage.atomic_writer("gs://bucket/a") as ours:
        ours.write(b"1")
    with storage.atomic_writer("gs://bucket/a") as same:
        same.write(b"1")
    storage.remove("gs://bucket/a", same.version)
    assert storage.exists("gs://bucket/a"), "it was there before"
    storage.remove("gs://bucket/a", ours.version)
    assert not storage.exists("gs://bucket/a")


@pytest.mark.usefixtures("cloud")
def test_no_such_file() -> None:
    assert storage.size("gs://bucket/none") == -1
    assert storage.version("gs://bucket/none") == ""
    for read in (storage.open_read, storage.read_bytes):
        with pytest.raises(FileNotFoundError):
            read("gs://bucket/none")


def test_a_version_changes_with_the_content(cloud: FakeCloudStorage) -> None:
    storage.write_bytes("gs://bucket/a", b"1")
    first = storage.version("gs://bucket/a")
    storage.write_bytes("gs://bucket/a", b"1")
    assert storage.version("gs://bucket/a") == first, "the same content is not written again"
    storage.write_bytes("gs://bucket/a", b"2")
    assert storage.version("gs://bucket/a") != first
    assert [change.call for change in cloud.ledger] == ["insert", "insert"]


@pytest.mark.usefixtures("cloud", "small_streams")
def test_what_is_replaced_while_it_is_read_is_told() -> None:
    storage.write_bytes("gs://bucket/a", bytes(500_000))
    with storage.open_read("gs://bucket/a") as stream:
        stream.read(10)
        storage.write_bytes("gs://bucket/a", b"1" * 500_000)
        with pytest.raises(RemoteWorkError, match="gs://bucket/a was replaced or removed while it was read"):
            stream.read()


@pytest.mark.usefixtures("cloud")
def test_errors_are_one_line_with_the_remedy() -> None:
    for function in (storage.exists, storage.list_names, storage.size, storage.open_read, storage.remove_tree):
        with pytest.raises(ConfigError, match="gcloud storage buckets create gs://none --location=REGION"):
            function("gs://none/folder")
    with pytest.raises(ConfigError, match="gcloud storage buckets create"):
        storage.write_bytes("gs://none/file", b"")
    with pytest.raises(ConfigError, match="names a bucket and no object"):
        storage.write_bytes("gs://bucket", b"")


@pytest.mark.parametrize(
    ("kind", "error", "remedy"),
    [
        ("403", ConfigError, "gcloud storage buckets add-iam-policy-binding gs://bucket"),
        ("401", ConfigError, "gcloud auth application-default login"),
        ("503", RemoteWorkError, "run it again"),
        ("429", RemoteWorkError, "run it again"),
    ],
)
def test_faults_that_stay_are_told(
    cloud: FakeCloudStorage, soon: None, kind: str, error: type[ThreadmillError], remedy: str
) -> None:
    storage.write_bytes("gs://bucket/a", b"1")
    for function in (storage.read_bytes, storage.list_names, storage.exists, lambda uri: storage.write_bytes(uri, b"2")):
        cloud.faults.add("", kind, times=1000)
        with pytest.raises(error) as raised:
            function("gs://bucket/a")
        assert remedy in str(raised.value)
        assert "\n" not in str(raised.value)
        cloud.faults.clear()
    assert storage.read_bytes("gs://bucket/a") == b"1"


@pytest.mark.usefixtures("small_streams", "soon")
def test_an_upload_that_was_ended_without_a_checksum_is_checked_by_what_came_of_it(
    cloud: FakeCloudStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unchecked(session: cloud_streams._Session, content: bytes, span: str, total: int | None) -> requests.Response:
        """As after a lost answer to the last bytes, when only the size is told."""
        return session._http.put(
            session._url, data=content, headers={"Content-Range": f"bytes {span}/{'*' if total is None else total}"}, timeout=5
        )

    monkeypatch.setattr(cloud_streams._Session, "_put", unchecked)
    cloud.faults.add("objects.insert", "wrong_crc", skip=1)
    with pytest.raises(TransferError, match="arrived damaged"), storage.atomic_writer("gs://bucket/big") as stream:
        stream.write(os.urandom(1_000_000))
    assert cloud.objects() == []
    with storage.atomic_writer("gs://bucket/big") as stream:
        stream.write(os.urandom(1_000_000))
    assert cloud.objects() == ["gs://bucket/big"]


@pytest.mark.usefixtures("cloud")
def test_few_clients_are_kept_however_often_credentials_change() -> None:
    for number in range(50):
        with use_access(Access(AnonymousCredentials(), f"p{number}")):
            storage.write_bytes("gs://bucket/a", str(number).encode())
            assert storage.read_bytes("gs://bucket/a") == str(number).encode()
    assert len(cloud_calls._clients) <= cloud_calls._CLIENTS


@pytest.mark.usefixtures("small_streams", "soon")
def test_damaged_bytes_are_asked_for_again_or_told(cloud: FakeCloudStorage) -> None:
    content = os.urandom(1_000_000)
    storage.write_bytes("gs://bucket/small", content[:1000])
    with storage.atomic_writer("gs://bucket/big") as stream:
        stream.write(content)
    cloud.faults.add("objects.get", "wrong_crc", skip=1)
    with storage.open_read("gs://bucket/small") as stream:
        assert stream.read() == content[:1000]
    cloud.faults.add("objects.get", "wrong_crc", skip=2)
    with pytest.raises(TransferError, match="arrived damaged"), storage.open_read("gs://bucket/big") as stream:
        stream.read()
