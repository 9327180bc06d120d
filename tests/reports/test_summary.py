from pathlib import Path

import polars as pl
import pytest

from tests.reports.made import example, write_conversations, write_dataset
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.tfrecord import encode_examples
from threadmill.reports.summary import summary


def shown(uri: str, records: int = 2) -> str:
    return "\n".join(summary(Dataset.open(uri), records))


def test_conversations_are_shown_as_dialogues_below_their_funnel(tmp_path: Path) -> None:
    uri = write_conversations(tmp_path / "talk", {"train": [[example(1), example(2)], [example(3)]], "test": [[example(4)]]})
    text = shown(uri)
    assert "talk: conversations (version 1)" in text
    assert "4 records, 3 files" in text
    assert "  train: 3 records, 2 files" in text
    assert "top level" in text
    assert text.count("bob: very well") == 2


@pytest.mark.parametrize("records", [0, 1])
def test_no_more_records_are_shown_than_asked_for(tmp_path: Path, records: int) -> None:
    uri = write_conversations(tmp_path / "talk", {"train": [[example(1), example(2)]]})
    assert shown(uri, records).count("very well") == records


def parquet(folder: Path) -> str:
    path = folder.parent / "rows.parquet"
    pl.DataFrame({"id": ["c1", "c2", "c3"], "body": ["one", "two\x1b[31m", "three"]}).write_parquet(path)
    return write_dataset(folder, "ingest", {"a-00000-of-00001.parquet": (path.read_bytes(), 3)}, Counters(3, 3, 3))


def tfrecord(folder: Path) -> str:
    frame = pl.DataFrame({"id": ["c1", "c2", "c3"], "ids": [[1, 2], [3], [4]]})
    content = bytes(encode_examples(frame.to_arrow(compat_level=pl.CompatLevel.oldest())))
    return write_dataset(folder, "records", {"train-00000-of-00001.tfrecord": (content, 3)}, Counters(3, 3, 3))


def text(folder: Path) -> str:
    return write_dataset(folder, "vocabulary", {"vocab.txt": (b"c1\nc2\nc3\n", 3)}, Counters(3, 3, 3))


@pytest.mark.parametrize("write", [parquet, tfrecord, text])
def test_the_first_records_of_any_other_dataset_are_shown(tmp_path: Path, write: object) -> None:
    lines = shown(write(tmp_path / "made"))  # type: ignore[operator]
    assert "c1" in lines
    assert "c2" in lines
    assert "c3" not in lines
    assert "\x1b" not in lines


def test_files_of_other_kinds_are_passed_over(tmp_path: Path) -> None:
    uri = write_dataset(tmp_path / "model", "train", {"model.keras": (b"\x00\x01", 1)}, Counters(1, 1, 1))
    assert "1 records" in shown(uri)
