import gzip
import os
import random
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threadmill.corpora.text.config import PRESETS, CorpusConfig
from threadmill.corpora.text.stage import CorpusStage
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.manifest import Manifest
from threadmill.engine.run import run_stage
from threadmill.errors import InputError

DATA = Path(__file__).resolve().parents[4] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="the real data is not there")

ALL_TRAIN = {"validation_split": 0.0}


def make(tmp_path: Path, *sources: Path, name: str = "corpus", workers: int = 1, **values: object) -> Manifest:
    config = CorpusConfig(**values)  # type: ignore[arg-type]
    return run_stage(CorpusStage([str(source) for source in sources], config, workers), str(tmp_path / name), name="corpus")


def documents(folder: Path, split: str = "*") -> list[list[str]]:
    """The documents of a corpus as a reader by the format's rules finds them."""
    texts = [path.read_bytes().decode() for path in sorted(folder.glob(f"{split}-*.txt"))]
    for text in texts:
        assert text.endswith("\n")
        assert not text.startswith("\n")
        assert not text.endswith("\n\n")
    return [document.strip("\n").split("\n") for text in texts for document in text.split("\n\n")]


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


WORDS = st.text(st.sampled_from("abcé ا. !\t\0\ufeff"), max_size=8)


@settings(max_examples=15)
@given(corpus=st.lists(st.lists(WORDS, max_size=4), max_size=6), shard_lines=st.integers(1, 6))
def test_what_was_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, corpus: list[list[str]], shard_lines: int
) -> None:
    tmp_path = tmp_path_factory.mktemp("corpus")
    lines = [" ".join(line.replace("\0", "").replace("\ufeff", "").split()) for document in corpus for line in [*document, ""]]
    expected = [kept for document in "\n".join(lines).split("\n\n") if (kept := [line for line in document.split("\n") if line])]
    source = write(tmp_path / "in.txt", "\n\n".join("\n".join(document) for document in corpus) + "\n")
    blank = not "".join(line.strip() for line in lines)
    if blank:
        with pytest.raises(InputError):
            make(tmp_path, source, format="lines", **ALL_TRAIN)
        return
    manifest = make(tmp_path, source, format="lines", shard_lines=shard_lines, **ALL_TRAIN)
    found = documents(tmp_path / "corpus")
    assert [line for document in found for line in document] == [line for document in expected for line in document]
    assert manifest.counters.read == manifest.counters.kept + manifest.counters.dropped.get("empty", 0)
    assert manifest.counters.kept == len(found) == manifest.statistics["splits"]["train"]["documents"]
    assert sum(shard.records for shard in manifest.shards) == manifest.counters.written == sum(map(len, found))
    assert verify(str(tmp_path / "corpus")) == []


def test_a_shard_ends_with_the_document_that_reaches_its_lines(tmp_path: Path) -> None:
    source = write(tmp_path / "in.txt", "a\nb\n\nc\n\nd\ne\nf\ng\n\nh\n")
    manifest = make(tmp_path, source, format="lines", shard_lines=3, **ALL_TRAIN)
    assert [(shard.name, shard.records) for shard in manifest.shards] == [
        ("train-00000-of-00003.txt", 3),
        ("train-00001-of-00003.txt", 4),
        ("train-00002-of-00003.txt", 1),
    ]
    assert (tmp_path / "corpus" / "train-00000-of-00003.txt").read_text() == "a\nb\n\nc\n"


def test_a_document_is_in_the_same_split_wherever_it_stands(tmp_path: Path) -> None:
    corpus = [f"number {index}\nof many" for index in range(400)]
    first = write(tmp_path / "a.txt", "\n\n".join(corpus))
    random.Random(3).shuffle(corpus)
    second = write(tmp_path / "b.txt", "\n\n".join(corpus))
    shares = {"validation_split": 0.2, "test_split": 0.1, "format": "lines"}
    made = make(tmp_path, first, name="one", **shares), make(tmp_path, second, name="two", **shares)
    for split, share in (("train", 0.7), ("validation", 0.2), ("test", 0.1)):
        in_one, in_two = documents(tmp_path / "one", split), documents(tmp_path / "two", split)
        assert sorted(in_one) == sorted(in_two)
        assert abs(len(in_one) / 400 - share) < 0.07
    assert made[0].counters == made[1].counters


def test_with_more_workers_the_bytes_are_the_same(tmp_path: Path) -> None:
    """Of several blocks, among whose documents some go on from block to block, one over all of them."""
    random_words = random.Random(1)
    lines = ["".join(random_words.choices("abcdefg .", k=60)) or "x" for _ in range(1000)]
    text = "\n".join("" if index % 7000 == 1 else lines[index * 31 % 1000] for index in range(200_000))
    source = write(tmp_path / "in.txt.gz", gzip.compress(text.encode(), 1))
    one = make(tmp_path, source, name="one", format="lines", shard_lines=20_000, workers=1)
    two = make(tmp_path, source, name="two", format="lines", shard_lines=20_000, workers=2)
    assert one.digest == two.digest
    assert len(one.shards) > 3
    assert one.counters.read == 30
    assert sum(len(document) for document in documents(tmp_path / "one")) == one.counters.written


def test_a_document_over_many_blocks_waits_on_disk_and_is_written_whole(tmp_path: Path) -> None:
    line = "a sentence of some length that is the same as all the others here, but for its number"
    source = write(tmp_path / "in.txt", "".join(f"{line} {index}\n" for index in range(420_000)) + "\nlast\n")
    manifest = make(tmp_path, source, format="lines", **ALL_TRAIN)
    assert manifest.counters.kept == 2
    text = (tmp_path / "corpus" / "train-00000-of-00001.txt").read_bytes()
    assert text == source.read_bytes()
    assert sorted(path.name for path in (tmp_path / "corpus").iterdir()) == ["manifest.json", "train-00000-of-00001.txt"]


def test_lines_without_blank_ones_between_become_documents_of_a_size(tmp_path: Path) -> None:
    source = write(tmp_path / "in.txt", "".join(f"{index}\n" for index in range(10)) + "\n10\n11\n")
    make(tmp_path, source, format="lines", document_lines=4, **ALL_TRAIN)
    found = documents(tmp_path / "corpus")
    assert found == [["0", "1", "2", "3"], ["4", "5", "6", "7"], ["8", "9"], ["10", "11"]]


def test_documents_do_not_go_on_from_file_to_file(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    write(folder / "b.txt", "three")
    write(folder / "a.txt", "one\ntwo")
    write(folder / ".hidden", "no")
    write(folder / "empty.txt", "")
    manifest = make(tmp_path, folder, format="lines", **ALL_TRAIN)
    assert documents(tmp_path / "corpus") == [["one", "two"], ["three"]]
    assert [entry.name for entry in manifest.inputs] == ["a.txt", "b.txt"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"good\nbad \xe9t\xe9\n", r"in.txt, line 2, byte 9: 0xe9 is not UTF-8; convert the file"),
        ("text".encode("utf-16"), r"in.txt: its byte order mark says UTF-16; convert it"),
        (gzip.compress(b"a line\n" * 99, mtime=0)[:-9], r"in.txt: truncated: it ends at byte \d+ in the middle of gzip member 1"),
        (b"", r"all files there are empty \(0 bytes\)"),
        (b"\n \n\0\n", r"no document holds any text; name a source with text"),
    ],
)
def test_bad_text_is_told_with_its_place(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make(tmp_path, write(tmp_path / "in.txt", content))
    assert not (tmp_path / "corpus").exists()


def test_sources_that_are_not_there_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no\.txt does not exist"):
        make(tmp_path, tmp_path / "no.txt")
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="is a folder without a file"):
        make(tmp_path, tmp_path / "folder")
    with pytest.raises(InputError, match=r"holds neither dataset_dict\.json nor state\.json"):
        make(tmp_path, tmp_path / "folder", format="huggingface")
    made = make(tmp_path, write(tmp_path / "in.txt", "a\n\nb\n"), **ALL_TRAIN)
    assert made.counters.kept == 2
    with pytest.raises(InputError, match="is a dataset of Threadmill's"):
        make(tmp_path, tmp_path / "corpus", name="again")


def test_nothing_for_training_is_told(tmp_path: Path) -> None:
    source = write(tmp_path / "in.txt", "\n\n".join(str(index) for index in range(5)))
    with pytest.raises(InputError, match="none of the 5 documents falls into the train split"):
        make(tmp_path, source, validation_split=0.999999)


def test_nul_bytes_and_a_byte_order_mark_go_and_are_counted(tmp_path: Path) -> None:
    source = write(tmp_path / "in.txt", b"\xef\xbb\xbfone\0 \xef\xbf\xbd\r\ntwo\r\n")
    manifest = make(tmp_path, source, **ALL_TRAIN)
    assert documents(tmp_path / "corpus") == [["one \ufffd", "two"]]
    assert manifest.counters.extra == {"control_characters": 1, "replacement_characters": 1}


@pytest.mark.parametrize(
    ("format", "megabytes"),
    [
        ("lines", 12),
        ("prose", 12),
        pytest.param("lines", 50, marks=pytest.mark.slow),
        pytest.param("prose", 50, marks=pytest.mark.slow),
    ],
)
def test_a_line_of_many_megabytes_is_cut_at_sentences_and_nothing_is_lost(tmp_path: Path, format: str, megabytes: int) -> None:
    sentence = "A sentence of forty or so bytes, and é. "
    text = sentence * (megabytes * 1_000_000 // len(sentence.encode()))
    manifest = make(tmp_path, write(tmp_path / "in.txt", text), format=format, **ALL_TRAIN)
    content = b"".join(path.read_bytes() for path in sorted((tmp_path / "corpus").glob("*.txt")))
    lines = content.split(b"\n")
    assert max(map(len, lines)) <= 1 << 20
    assert all(not line or line.endswith("é.".encode()) for line in lines)
    assert content.replace(b"\n", b"").replace(b" ", b"") == text.encode().replace(b" ", b"")
    assert manifest.counters.extra["cut_lines"] > 0


def test_a_corpus_is_documents_of_lines_to_the_stages_after_it(tmp_path: Path) -> None:
    from threadmill.datasets.counters import Counters
    from threadmill.documents.reading import read_part
    from threadmill.documents.sources import open_corpora

    make(tmp_path, write(tmp_path / "in.txt", "\n\n".join(f"{index}\nx" for index in range(100))), validation_split=0.3)
    corpora = open_corpora([str(tmp_path / "corpus")])
    found: dict[str, list[list[str]]] = {"train": [], "validation": []}
    counters = Counters()
    for part in corpora.parts:
        for block in read_part(part, counters=counters):
            pieces = np.split(np.asarray(block.sentences), block.ends[:-1])
            found[part.split].extend(block.lines.take(pa.array(piece)).to_pylist() for piece in pieces)
    assert counters.kept == 100
    assert {split: documents(tmp_path / "corpus", split) for split in found} == found


@needs_data
def test_arabic_lines_are_all_accounted_for(tmp_path: Path) -> None:
    stage = CorpusStage([str(DATA / "arabic" / "ar_lines.txt")], PRESETS["arabic"].config)
    manifest = run_stage(stage, str(tmp_path / "corpus"))
    raw = [line for line in (DATA / "arabic" / "ar_lines.txt").read_text().split("\n") if line.strip()]
    assert manifest.counters.written == len(raw) == manifest.statistics["rows"]
    text = "".join(path.read_text() for path in (tmp_path / "corpus").glob("*.txt"))
    assert not set(text) & set("\u064b\u064c\u064d\u064e\u064f\u0650\u0651\u0652\u0640\u200f")
    assert manifest.counters.extra["diacritics"] == sum("".join(raw).count(chr(point)) for point in range(0x64B, 0x653))


@needs_data
def test_novels_come_out_as_sentences_and_no_character_is_lost(tmp_path: Path) -> None:
    manifest = make(tmp_path, DATA / "text")
    assert manifest.statistics["formats"] == {"prose": 4}
    found = [line for document in documents(tmp_path / "corpus") for line in document]
    raw = "".join(path.read_text("utf-8-sig") for path in sorted((DATA / "text").glob("*.txt")))
    assert sorted("".join("".join(found).split())) == sorted("".join(raw.split()))
    wrapped = "But, as it chanced to be immediately under his nose, it followed, as a matter of course, that he looked all over"
    assert any(line.startswith(wrapped) for line in found)
    assert sum(line[-1] in ".!?\"'" for line in found) / len(found) > 0.9
    assert manifest.statistics["splits"]["train"]["single_line_documents"] == 0


@needs_data
def test_all_reviews_are_accounted_for(tmp_path: Path) -> None:
    source = next((DATA / "amazon").glob("*.tsv"))
    manifest = run_stage(CorpusStage([str(source)], PRESETS["amazon"].config), str(tmp_path / "corpus"))
    assert manifest.counters.read == manifest.counters.kept == manifest.statistics["rows"] == 1452
    text = "".join(path.read_text() for path in (tmp_path / "corpus").glob("*.txt"))
    assert "<br" not in text
    assert "&#34;" not in text


def test_parquet_and_json_lines_of_the_same_rows_make_the_same_corpus(tmp_path: Path) -> None:
    texts = ["One. Two!\nThree", "", None, "é\u0301"]
    pq.write_table(pa.table({"id": range(4), "body": texts}), tmp_path / "in.parquet")
    rows = b"".join(orjson.dumps({"id": index, "body": text}) + b"\n" for index, text in enumerate(texts))
    write(tmp_path / "in.jsonl", rows)
    for name in ("in.parquet", "in.jsonl"):
        manifest = make(tmp_path, tmp_path / name, name=name + ".d", field="body", **ALL_TRAIN)
        assert documents(tmp_path / (name + ".d")) == [["One.", "Two!", "Three"], ["é\u0301"]]
        assert manifest.counters.dropped == {"empty": 2}


def lines_made(folder: Path) -> int:
    made = 0
    for path in folder.iterdir() if folder.is_dir() else ():
        with suppress(FileNotFoundError):  # a temporary file has got its name
            made += path.stat().st_size if path.is_file() else 0
    return made


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    import signal
    import subprocess
    import sys

    sentence = "A sentence that is number {} of them. And another one!\n"
    source = write(tmp_path / "in.txt", "".join(sentence.format(i) + "\n" * (i % 9 == 0) for i in range(400_000)))
    undisturbed = make(tmp_path, source, name="undisturbed", format="prose", shard_lines=50_000)
    folder = tmp_path / "corpus"
    command = [sys.executable, "-m", "threadmill.cli", "--quiet", "corpus", str(source), "--format", "prose"]
    command += ["--shard-lines", "50000", "--output", str(folder)]
    moments = random.Random(5)
    kills = 0
    for _ in range(8):
        process = subprocess.Popen(command)
        started, wanted = time.monotonic(), moments.random() * 30_000_000
        while process.poll() is None and lines_made(folder) < wanted and time.monotonic() - started < 60:
            time.sleep(0.005)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.wait()
        if (folder / "manifest.json").exists():
            break
    subprocess.run(command, check=True)
    assert kills
    made = Dataset.open(str(folder)).manifest
    assert [shard.sha256 for shard in made.shards] == [shard.sha256 for shard in undisturbed.shards]
    assert made.counters == undisturbed.counters
    assert verify(str(folder)) == []
    assert sorted(path.name for path in folder.iterdir()) == sorted(["manifest.json", *(shard.name for shard in made.shards)])
