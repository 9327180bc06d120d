from pathlib import Path

import pytest

from tests.training.made import make_records, make_vocabulary
from threadmill.errors import InputError, IntegrityError
from threadmill.training.inputs.vocabulary import open_vocabulary

SHARDS = {"train-00000-of-00001.tfrecord": 1}


def test_tokens_are_the_lines_of_an_unchanged_vocab_txt(tmp_path: Path) -> None:
    dataset = make_vocabulary(tmp_path / "vocabulary", 20)
    vocabulary = open_vocabulary(dataset.uri)

    assert (len(vocabulary), vocabulary.entry.digest) == (20, dataset.manifest.digest)

    path = tmp_path / "vocabulary" / "vocab.txt"
    path.write_bytes(path.read_bytes().replace(b"w1\n", b"w2\n"))
    with pytest.raises(IntegrityError, match=r"vocab\.txt was changed after it was written"):
        open_vocabulary(dataset.uri)


def test_bare_vocab_txt_is_known_by_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]")  # no newline at the end
    folder, file = open_vocabulary(str(tmp_path)), open_vocabulary(str(tmp_path / "vocab.txt"))

    assert (len(folder), len(file)) == (3, 3)
    assert folder.entry.digest == file.entry.digest
    assert dict(folder.files) == {"vocab.txt": b"[PAD]\n[UNK]\n[CLS]"}


def test_other_datasets_are_refused(tmp_path: Path) -> None:
    vocabulary = make_vocabulary(tmp_path / "vocabulary", 20)
    records = make_records(tmp_path / "records", vocabulary, SHARDS)

    with pytest.raises(InputError, match=r"holds no vocab\.txt"):
        open_vocabulary(records.uri)
