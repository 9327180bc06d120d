from pathlib import Path

import pytest

from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import FileEntry
from threadmill.engine.receipts import RECEIPTS, collect_receipts, mark_unfinished, tidy, write_receipt
from threadmill.engine.stage import TaskResult

FIRST = TaskResult(
    "first",
    (FileEntry("train-00000-of-00002.txt", 2, 5, "ab" * 32),),
    Counters(4, 2, 2, {"orphan": 2}),
    (FileEntry("dead_letters-00000-of-00001.txt", 1, 3, "cd" * 32),),
    {"months": {"2006-01": 4}},
)
SECOND = TaskResult("second", (FileEntry("train-00001-of-00002.txt", 1, 5, "ef" * 32),), Counters(1, 1, 1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An unfinished dataset with two finished tasks of the run "key"."""
    mark_unfinished(str(tmp_path))
    for result in (FIRST, SECOND):
        for file in (*result.shards, *result.dead_letters):
            (tmp_path / file.name).write_bytes(b"x" * file.bytes)
        write_receipt(str(tmp_path), "key", result)
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_finished_tasks_are_found_again(folder: Path) -> None:
    assert collect_receipts(str(folder), "key") == {"first": FIRST, "second": SECOND}
    assert names(folder) == [RECEIPTS, *sorted(file.name for file in (*FIRST.shards, *FIRST.dead_letters, *SECOND.shards))]


def test_tasks_of_another_run_are_not_and_their_files_go(folder: Path) -> None:
    assert collect_receipts(str(folder), "another key") == {}
    assert names(folder) == [RECEIPTS]
    assert names(folder / RECEIPTS) == []


@pytest.mark.parametrize("name", ["train-00000-of-00002.txt", "dead_letters-00000-of-00001.txt"])
@pytest.mark.parametrize("size", [None, 4, 6])
def test_a_task_whose_file_is_not_whole_is_to_be_done_again(folder: Path, name: str, size: int | None) -> None:
    (folder / name).unlink()
    if size is not None:
        (folder / name).write_bytes(b"x" * size)
    assert collect_receipts(str(folder), "key") == {"second": SECOND}
    assert names(folder) == [RECEIPTS, "train-00001-of-00002.txt"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"key": "key"}', b'{"key": "key", "name": "first", "shards": 3}'])
def test_a_receipt_that_cannot_be_read_is_none(folder: Path, content: bytes) -> None:
    (folder / RECEIPTS / "first.json").write_bytes(content)
    assert collect_receipts(str(folder), "key") == {"second": SECOND}
    assert names(folder / RECEIPTS) == ["second.json"]


def test_what_a_killed_run_was_writing_goes(folder: Path) -> None:
    (folder / ".writing-17-train-00002-of-00003.txt").write_bytes(b"half")
    (folder / ".writing-spill").mkdir()
    (folder / ".writing-spill" / "block.tmp").write_bytes(b"what the warehouse spilled")
    (folder / RECEIPTS / ".writing-17-third.json").write_bytes(b"{")
    (folder / "train-00002-of-00003.txt").write_bytes(b"renamed, but without a receipt")
    assert collect_receipts(str(folder), "key") == {"first": FIRST, "second": SECOND}
    assert not [name for name in names(folder) if name.startswith(".writing") or "of-00003" in name]
    assert names(folder / RECEIPTS) == ["first.json", "second.json"]


def test_files_of_others_stay(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    (folder / "notes.txt").write_text("mine")
    collect_receipts(str(folder), "another key")
    assert (folder / "notes.txt").exists()
    unmarked = tmp_path_factory.mktemp("theirs")
    (unmarked / "train-00000-of-01000.tfrecord").write_bytes(b"theirs")
    assert collect_receipts(str(unmarked), "key") == {}
    assert names(unmarked) == ["train-00000-of-01000.tfrecord"], "only an unfinished run's shards are ours to remove"


def test_tidying_keeps_receipts_until_there_is_a_manifest(folder: Path) -> None:
    tidy(str(folder))
    assert names(folder / RECEIPTS) == ["first.json", "second.json"]
    (folder / "manifest.json").write_text("{}")
    (folder / ".writing-17-x").write_bytes(b"")
    tidy(str(folder))
    assert not [name for name in names(folder) if name.startswith(".")]


def test_tidying_leaves_no_empty_mark(tmp_path: Path) -> None:
    mark_unfinished(str(tmp_path))
    tidy(str(tmp_path))
    assert names(tmp_path) == []
