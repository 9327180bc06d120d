import gc
from pathlib import Path

import pytest

from tests.datasets.object_store import ObjectStore
from threadmill.datasets import storage


class Halt(BaseException):
    """Stands for whatever ends a writer."""


@pytest.fixture(params=["path", "file", "objects"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder on this machine, by path or URI, and one in an object store."""
    if request.param == "objects":
        ObjectStore.objects.clear()
        return "objects://bucket/folder"
    return str(tmp_path) if request.param == "path" else f"file://{tmp_path}"


def test_what_was_written_is_read_back(folder: str) -> None:
    uri = storage.join(folder, "file.txt")
    with storage.atomic_writer(uri) as stream:
        stream.write(b"first, ")
        stream.write(b"second" * 10)
    assert storage.read_bytes(uri) == b"first, " + b"second" * 10
    assert storage.size(uri) == 67
    assert storage.list_names(folder) == ["file.txt"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Halt])
def test_a_writer_that_fails_leaves_neither_the_file_nor_a_temporary_one(folder: str, error: type[BaseException]) -> None:
    def write() -> None:
        with storage.atomic_writer(storage.join(folder, "file.txt")) as stream:
            stream.write(b"only the beginning, longer than a block")
            raise error

    with pytest.raises(error):
        write()
    gc.collect()  # streams of object stores publish when they are collected, unless they were given up
    assert storage.list_names(folder) == []
    assert not storage.exists(storage.join(folder, "file.txt"))


def test_a_writer_that_fails_leaves_the_older_file_as_it_was(folder: str) -> None:
    uri = storage.join(folder, "file.txt")
    storage.write_bytes(uri, b"older")
    with pytest.raises(ValueError, match="disk"), storage.atomic_writer(uri) as stream:  # noqa: PT012
        stream.write(b"newer, and far longer than the older one")
        raise ValueError("disk")
    gc.collect()
    assert storage.read_bytes(uri) == b"older"


def test_a_file_is_not_there_while_it_is_written(folder: str) -> None:
    uri = storage.join(folder, "file.txt")
    with storage.atomic_writer(uri) as stream:
        stream.write(b"content")
        stream.flush()
        assert not storage.exists(uri)
        assert storage.size(uri) == -1
    assert storage.exists(uri)


def test_a_path_writer_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def write() -> None:
        with storage.atomic_path(str(tmp_path / "file.bin")) as path:
            Path(path).write_bytes(b"half")
            raise ValueError

    with pytest.raises(ValueError):  # noqa: PT011
        write()
    assert list(tmp_path.iterdir()) == []


def test_a_path_writer_publishes_under_its_name(tmp_path: Path) -> None:
    with storage.atomic_path(str(tmp_path / "file.bin")) as path:
        Path(path).write_bytes(b"all")
        assert Path(path).parent == tmp_path, "a rename works within one filesystem only"
        assert not (tmp_path / "file.bin").exists()
    assert (tmp_path / "file.bin").read_bytes() == b"all"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.bin"]


def test_files_are_renamed_and_removed(folder: str) -> None:
    old, new = storage.join(folder, "old"), storage.join(folder, "new")
    storage.write_bytes(old, b"content")
    storage.rename(old, new)
    assert storage.list_names(folder) == ["new"]
    storage.remove(new)
    storage.remove(new)
    assert storage.list_names(folder) == []


def test_a_tree_is_removed_with_all_below_it(folder: str) -> None:
    tree = storage.join(folder, "tree")
    storage.make_directory(storage.join(tree, "below"))
    storage.write_bytes(storage.join(tree, "one"), b"1")
    storage.write_bytes(storage.join(tree, "below", "two"), b"2")
    assert storage.is_directory(tree)
    storage.remove_tree(tree)
    storage.remove_tree(tree)
    assert not storage.exists(tree)


def test_a_folder_that_is_not_there_has_no_names(folder: str) -> None:
    assert storage.list_names(storage.join(folder, "nowhere")) == []
    assert not storage.is_directory(storage.join(folder, "nowhere"))


def test_making_a_folder_tells_which_were_not_there(tmp_path: Path) -> None:
    made = storage.make_directory(str(tmp_path / "a" / "b" / "c"))
    assert made == [str(tmp_path / name) for name in ("a/b/c", "a/b", "a")]
    assert storage.make_directory(str(tmp_path / "a" / "b")) == []


def test_only_an_empty_folder_goes(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_bytes(b"")
    (tmp_path / "empty").mkdir()
    for name in ("full", "empty", "missing"):
        storage.remove_empty_directory(str(tmp_path / name))
    assert [entry.name for entry in tmp_path.iterdir()] == ["full"]


@pytest.mark.parametrize(
    ("uri", "joined"),
    [
        ("/data", "/data/a/b"),
        ("/data/", "/data/a/b"),
        ("/", "/a/b"),
        ("", "a/b"),
        (".", "./a/b"),
        ("gs://bucket", "gs://bucket/a/b"),
    ],
)
def test_names_are_joined_below_a_uri(uri: str, joined: str) -> None:
    assert storage.join(uri, "a", "b") == joined


@pytest.mark.parametrize(("uri", "name"), [("/data/reddit/", "reddit"), ("gs://bucket/file.zst", "file.zst"), ("plain", "plain")])
def test_the_name_is_the_last_part_of_a_uri(uri: str, name: str) -> None:
    assert storage.name_of(uri) == name


def test_a_remote_uri_has_no_local_path() -> None:
    with pytest.raises(ValueError, match=r"gs://bucket/file is not a local path"):
        storage.local_path("gs://bucket/file")
