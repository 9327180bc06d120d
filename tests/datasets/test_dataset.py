from pathlib import Path

import pytest

from tests.conversation_datasets import made_examples, shards_of, write_conversations
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.digest import file_digest
from threadmill.datasets.manifest import FileEntry, Manifest, read_manifest, write_manifest
from threadmill.errors import InputError


@pytest.fixture
def uri(tmp_path: Path) -> str:
    examples = made_examples(6)
    return write_conversations(tmp_path / "talk", {"train": shards_of(examples, 2), "test": [examples[:1]]})


def test_shards_are_told_by_split_in_the_order_of_the_manifest(uri: str) -> None:
    dataset = Dataset.open(uri)
    assert dataset.splits() == ["train", "test"]
    assert [shard.name for shard in dataset.shards("train")] == ["train-00000-of-00002.tfrecord", "train-00001-of-00002.tfrecord"]
    assert [shard.name for shard in dataset.shards("test")] == ["test-00000-of-00001.tfrecord"]
    assert len(dataset.shards()) == 3
    assert dataset.shards("validation") == []


def test_a_dataset_refers_to_itself_by_name_and_digest(uri: str) -> None:
    entry = Dataset.open(uri).as_input()
    assert (entry.name, entry.digest, entry.uri) == ("conversations", read_manifest(uri).digest, uri)


def test_a_dataset_of_another_stage_than_the_one_wanted_is_refused(uri: str) -> None:
    assert Dataset.open(uri, "conversations") == Dataset.open(uri)
    with pytest.raises(InputError, match="is a dataset of the stage conversations; name one of the stage vocabulary"):
        Dataset.open(uri, "vocabulary")


def test_files_that_are_no_shards_stand_for_themselves(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_bytes(b"a\n")
    entry = FileEntry("vocab.txt", 1, 2, file_digest(str(tmp_path / "vocab.txt")))
    write_manifest(str(tmp_path), Manifest("v", "vocabulary", 1, {}, (), (), (entry,), Counters()))
    assert Dataset.open(str(tmp_path)).splits() == ["vocab.txt"]
    assert verify(str(tmp_path)) == []


class TestVerify:
    def test_a_whole_dataset_has_no_problem(self, uri: str) -> None:
        assert verify(uri) == []

    def test_an_altered_shard_is_named(self, uri: str) -> None:
        path = Path(uri, "train-00001-of-00002.tfrecord")
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(content)
        assert verify(uri) == ["train-00001-of-00002.tfrecord: its SHA-256 differs from the manifest's"]

    def test_a_truncated_shard_is_named(self, uri: str) -> None:
        path = Path(uri, "train-00000-of-00002.tfrecord")
        size = path.stat().st_size
        path.write_bytes(path.read_bytes()[:-1])
        assert verify(uri) == [f"train-00000-of-00002.tfrecord: {size - 1} bytes, the manifest says {size}"]

    def test_a_missing_shard_is_named(self, uri: str) -> None:
        Path(uri, "test-00000-of-00001.tfrecord").unlink()
        assert verify(uri) == ["test-00000-of-00001.tfrecord: missing"]

    def test_a_shard_of_another_dataset_is_named(self, uri: str) -> None:
        Path(uri, "train-00002-of-00003.tfrecord").write_bytes(b"")
        Path(uri, "README.md").write_text("a file of no concern")
        assert verify(uri) == ["train-00002-of-00003.tfrecord: not in the manifest"]

    def test_every_problem_is_told(self, uri: str) -> None:
        for name in ("train-00000-of-00002.tfrecord", "train-00001-of-00002.tfrecord"):
            Path(uri, name).unlink()
        Path(uri, "test-00000-of-00001.tfrecord").write_bytes(b"")
        assert len(verify(uri)) == 3
