import gzip
from pathlib import Path

import pytest

from tests.corpora.dialogues.reading import write_files
from threadmill.corpora.dialogues.sources import find_dialogues, named_split, source_format
from threadmill.errors import InputError

LINE = "text:a\tlabels:b\n"


@pytest.mark.parametrize(
    ("path", "split"),
    [
        ("blended_skill_talk_train.txt", "train"),
        ("valid.txt", "validation"),
        ("set-dev.json.gz", "validation"),
        ("train-00000-of-00010.json", "train"),
        ("validation-00000-of-00001.tfrecord", "validation"),
        ("test_both_original.txt", "test"),
        ("test_set_train.txt", "train"),
        ("Valid/part1.txt", "validation"),
        ("valid/train.txt", "train"),
        ("dialogues.txt", ""),
        ("latest.txt", ""),
        ("attest/contest.txt", ""),
    ],
)
def test_a_name_tells_its_split(path: str, split: str) -> None:
    assert named_split(path) == split


@pytest.mark.parametrize(
    ("content", "format"),
    [
        (b"text:hello\tlabels:hi\n", "parlai"),
        (b"id:x\ttext:hello\tlabels:hi\n", "parlai"),
        (b"\n\xef\xbb\xbf"[1:] + b"text:hello\tlabels:hi", "parlai"),
        (b"1 hello\thi\n", "numbered"),
        (b'{"context": "a", "response": "b"}\n', "jsonl"),
        (b'{"dialog": [[{"id": "a", "text": "b"}]]}\n', "conversations"),
        (b'{"id": 3, "dialog": []}\n', "conversations"),
    ],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_the_content_tells_its_format(tmp_path: Path, content: bytes, format: str, compress: type) -> None:
    (path,) = write_files(tmp_path, {"dialogues": compress(content)})
    assert source_format(path) == format


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"hello there\nhow are you\n", "begins with 'hello there', which none of the formats does: parlai"),
        (b"PK\x03\x04zip", "is a ZIP archive"),
        ("text:a\tlabels:b\n".encode("utf-16"), "UTF-16"),
        (b"\x1f\x8b\x08\x00cut", "truncated"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        find_dialogues(write_files(tmp_path, {"x.txt": content}), "auto")


def test_files_of_a_folder_are_sources_of_the_splits_that_they_are_called(tmp_path: Path) -> None:
    write_files(tmp_path, {"a_train.txt": LINE, "valid/x.txt": LINE, "valid/empty.txt": "", "_notes.md": "no", "more.txt": LINE})
    found = [(source.name, source.split) for source in find_dialogues([str(tmp_path)], "auto")]
    assert found == [("a_train.txt", "train"), ("more.txt", ""), ("valid/x.txt", "validation")]


def test_a_set_of_train_alone_is_split_by_a_hash(tmp_path: Path) -> None:
    sources = find_dialogues(write_files(tmp_path, {"a_train.txt": LINE, "b.txt": LINE}), "auto")
    assert [source.split for source in sources] == ["", ""]


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    sources = find_dialogues(write_files(tmp_path, {"one/x.txt": LINE, "two/x.txt": LINE}), "auto")
    assert [source.name for source in sources] == ["0-x.txt", "1-x.txt"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("nothing", "does not exist"), ("empty", "no file with dialogues there"), ("made", "is a dataset of Threadmill's")],
)
def test_places_without_dialogues_are_told(tmp_path: Path, name: str, message: str) -> None:
    write_files(tmp_path, {"empty/x.txt": "", "made/manifest.json": "{}"})
    with pytest.raises(InputError, match=message):
        find_dialogues([str(tmp_path / name)], "auto")
