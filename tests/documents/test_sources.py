"""What a corpus is made of."""

from pathlib import Path

import pytest

from threadmill.datasets.counters import Counters
from threadmill.datasets.digest import file_digest
from threadmill.datasets.manifest import Field, FileEntry, Manifest, write_manifest
from threadmill.documents import sources
from threadmill.documents.reading import read_part
from threadmill.documents.sources import open_corpora
from threadmill.errors import InputError, IntegrityError


def lines_of(uri: str) -> list[list[str]]:
    """The lines of each part."""
    return [[line for block in read_part(part) for line in block.lines.to_pylist()] for part in open_corpora([uri]).parts]


def test_a_file_is_cut_after_blank_lines_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PART_BYTES", 10)
    monkeypatch.setattr(sources, "_SCAN_BYTES", 3)
    path = tmp_path / "novel.txt"
    path.write_text("a b c d\ne f g h\ni j k l\n \t\nm n\n\no\np q r s t u v w\n\n\n\nx\n")
    assert lines_of(str(path)) == [["a b c d", "e f g h", "i j k l"], ["m n", "o", "p q r s t u v w"], ["x"]]
    assert [part.name for part in open_corpora([str(path)]).parts] == ["0/novel.txt@0", "0/novel.txt@27", "0/novel.txt@51"]


def test_a_folder_is_all_its_files(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "b.txt").write_text("b\n")
    (tmp_path / "below" / "c.txt").write_text("c\n")
    (tmp_path / "a.txt").write_text("a\n")
    (tmp_path / ".hidden").write_text("no\n")
    (tmp_path / "empty.txt").touch()
    assert lines_of(str(tmp_path)) == [["a"], ["b"], ["c"]]
    assert [entry.name for entry in open_corpora([str(tmp_path)]).inputs] == ["a.txt", "b.txt", "below/c.txt", "empty.txt"]


def test_a_text_corpus_keeps_its_splits(tmp_path: Path) -> None:
    write_corpus(
        tmp_path, {"train-00000-of-00002.txt": "a\n", "train-00001-of-00002.txt": "b\n", "validation-00000-of-00001.txt": "c\n"}
    )
    corpora = open_corpora([str(tmp_path)])
    assert [(part.split, part.name) for part in corpora.parts] == [
        ("train", "0/train-00000-of-00002.txt@0"),
        ("train", "0/train-00001-of-00002.txt@0"),
        ("validation", "0/validation-00000-of-00001.txt@0"),
    ]
    assert corpora.splits() == ["train", "validation"]


def test_a_missing_shard_is_told_before_any_work(tmp_path: Path) -> None:
    write_corpus(tmp_path, {"train-00000-of-00002.txt": "a\n", "train-00001-of-00002.txt": "b\n"})
    (tmp_path / "train-00001-of-00002.txt").unlink()
    with pytest.raises(InputError, match=r"train-00001-of-00002\.txt is missing; run the stage"):
        open_corpora([str(tmp_path)])


def test_a_dataset_of_another_stage_is_refused(tmp_path: Path) -> None:
    write_corpus(tmp_path, {"train-00000-of-00001.txt": "a\n"}, stage="records")
    with pytest.raises(InputError, match="of the stage records"):
        open_corpora([str(tmp_path)])


def test_a_folder_of_datasets_is_not_taken_for_text(tmp_path: Path) -> None:
    (tmp_path / "run" / "corpus").mkdir(parents=True)
    write_corpus(tmp_path / "run" / "corpus", {"train-00000-of-00001.txt": "a\n"})
    with pytest.raises(InputError, match="run/corpus is a dataset of Threadmill's within the folder that was named"):
        open_corpora([str(tmp_path / "run")])


def test_nothing_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere does not exist"):
        open_corpora([str(tmp_path / "nowhere")])
    with pytest.raises(InputError, match="a folder without a file"):
        open_corpora([str(tmp_path)])
    (tmp_path / "empty.txt").touch()
    with pytest.raises(InputError, match="no text there"):
        open_corpora([str(tmp_path)])
    with pytest.raises(InputError, match="no corpus is named"):
        open_corpora([])


def write_corpus(folder: Path, shards: dict[str, str], stage: str = "corpus") -> None:
    for name, content in shards.items():
        (folder / name).write_text(content)
    entries = tuple(
        FileEntry(name, content.count("\n"), len(content), file_digest(str(folder / name))) for name, content in shards.items()
    )
    write_manifest(str(folder), Manifest("corpus", stage, 1, {}, (), (Field("text", "string"),), entries, Counters()))


def test_a_shard_that_was_changed_is_told_though_its_size_is_the_same(tmp_path: Path) -> None:
    write_corpus(tmp_path, {"train-00000-of-00001.txt": "a\n", "validation-00000-of-00001.txt": "b\n"})
    (tmp_path / "validation-00000-of-00001.txt").write_text("x\n")
    corpora = open_corpora([str(tmp_path)])
    with corpora.unchanged("train"):
        pass
    with (
        pytest.raises(IntegrityError, match=r"validation-00000-of-00001\.txt was changed after it was written"),
        corpora.unchanged(),
    ):
        pass


def test_a_file_that_grows_while_it_is_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("a\n")
    corpora = open_corpora([str(path)])
    with pytest.raises(InputError, match=r"text\.txt changed while it was read"), corpora.unchanged(), path.open("a") as stream:
        stream.write("b\n")


def raise_after(_: object) -> None:
    """What a reader does of whom half of the bytes are others."""
    raise ValueError("bytes that are not UTF-8")


def test_a_file_that_changes_is_told_as_that_and_not_by_what_came_of_it(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("a\n")
    with pytest.raises(InputError, match=r"text\.txt changed while it was read"), open_corpora([str(path)]).unchanged():
        raise_after(path.write_text("bb\n"))


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.parquet", b"PAR1\0\0"), ("a.jsonl", b'{"text": "a"}\n'), ("a.tsv", b"marketplace\tcustomer_id\treview_id\n")],
)
def test_rows_are_not_taken_for_sentences(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="holds rows of data, not sentences; `threadmill corpus` makes text"):
        open_corpora([str(tmp_path / name)])
