"""threadmill records, from the shell's words to files."""

import logging
from pathlib import Path

import pytest

from threadmill.cli import main
from threadmill.datasets.manifest import read_manifest
from threadmill.datasets.tfrecord import parse_example, read_records

LETTERS = "abcdefghijklmnopqrstuvwxyz."
TOKENS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *LETTERS, *(f"##{letter}" for letter in LETTERS), *LETTERS[:26].upper()]
CONTRACT = ["--max-seq-length", "32", "--max-predictions", "5", "--dupe-factor", "2", "--seed", "7"]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: book.txt, more/ with two files, and vocab/ with a bare vocab.txt."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "book.txt").write_text("A cat sat.\nIt sat on a mat.\n\nA dog ran.\nIt ran far.\n" * 10)
    (tmp_path / "more").mkdir()
    for name in ("one.txt", "two.txt"):
        (tmp_path / "more" / name).write_text("Birds sing.\nFish swim.\n\nWe talk.\nWe write.\n" * 10)
    (tmp_path / "vocab").mkdir()
    (tmp_path / "vocab" / "vocab.txt").write_text("".join(f"{token}\n" for token in TOKENS))
    return tmp_path


@pytest.mark.parametrize("objective", ["bert", "roberta", "seq2seq", "causal"])
def test_the_contract_s_words_do_for_every_objective(here: Path, objective: str) -> None:
    words = ["records", "book.txt", "more", "--vocab", "vocab", "--objective", objective, *CONTRACT, "--output", "out"]
    assert main([*words, "--workers", "2"]) == 0
    manifest = read_manifest("out")
    assert manifest.config["objective"] == objective
    assert (manifest.config["max_seq_length"], manifest.config["dupe_factor"], manifest.config["random_seed"]) == (32, 2, 7)
    assert [shard.name for shard in manifest.shards] == ["train-00000-of-00001.tfrecord"]
    assert [entry.name for entry in manifest.inputs] == ["book.txt", "one.txt", "two.txt", "vocab"]
    read = [parse_example(record) for record in read_records("out/train-00000-of-00001.tfrecord")]
    assert len(read) == manifest.records > 0


def test_both_names_of_the_most_predictions_work(here: Path) -> None:
    for flag in ("--max-predictions", "--max-predictions-per-seq"):
        assert main(["records", "book.txt", "--vocab", "vocab", flag, "4", "--dupe-factor", "1", "--output", flag[2:]]) == 0
        assert read_manifest(flag[2:]).config["max_predictions_per_seq"] == 4


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--objective", "causal", "--short-seq-prob", "0.2"], "--short-seq-prob is a setting of bert; leave it out with"),
        (["--objective", "seq2seq", "--keep-prefixes"], "--keep-prefixes is a setting of bert, roberta, causal; leave it out"),
        (["--objective", "roberta", "--no-next-sentence"], "--next-sentence is a setting of bert; leave it out"),
        (["--max-seq-length", "16", "--max-predictions", "20"], "max_predictions_per_seq is 20, more than max_seq_length 16"),
        (["--max-seq-length", "4"], "max_seq_length is 4; it must be from 5 to 65536"),
        (["--workers", "0"], "--workers is 0"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_anything_is_made(
    here: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["records", "book.txt", "--vocab", "vocab", *words, "--output", "out"]) == 2
    assert told in capsys.readouterr().err
    assert not (here / "out").exists()


def test_predictions_where_nothing_is_masked_are_told_of_and_no_error(here: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        words = ["records", "book.txt", "--vocab", "vocab", "--objective", "causal", "--max-predictions", "5", "--output", "out"]
        assert main(words) == 0
    assert "--max-predictions-per-seq has no effect with --objective causal" in caplog.text


def test_a_bare_vocabulary_is_of_lower_cased_text_unless_told(here: Path) -> None:
    upper = range(TOKENS.index("A"), len(TOKENS))
    for flags, expected in (([], False), (["--cased"], True)):
        output = "-".join(["out", *flags])
        assert main(["records", "book.txt", "--vocab", "vocab", *CONTRACT, *flags, "--output", output]) == 0
        ids = {
            number
            for record in read_records(f"{output}/train-00000-of-00001.tfrecord")
            for number in parse_example(record)["masked_lm_ids"]
        }
        assert bool(ids & set(upper)) == expected


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"caf\xe9\nau lait\n", "UTF-8"),
        (b"x" * 3_000_000, "`threadmill corpus` makes sentences of any text"),
        (b"", "no text there"),
    ],
)
def test_text_of_no_use_is_refused_in_one_line(here: Path, content: bytes, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "bad.txt").write_bytes(content)
    assert main(["records", "bad.txt", "--vocab", "vocab", "--output", "out"]) != 0
    error = capsys.readouterr().err.strip()
    assert told in error
    assert "bad.txt" in error
    assert "Traceback" not in error
    assert not (here / "out" / "manifest.json").exists()


def test_nul_bytes_are_dropped_as_google_s_tokenizer_drops_them(here: Path) -> None:
    (here / "nul.txt").write_bytes((here / "book.txt").read_bytes().replace(b" ", b"\x00 "))
    for name in ("book.txt", "nul.txt"):
        assert main(["records", name, "--vocab", "vocab", *CONTRACT, "--output", name[:-4]]) == 0
    counts = [read_manifest(name).counters.read for name in ("book", "nul")]
    assert counts[0] == counts[1]
    tokens = [read_manifest(name).statistics["splits"]["train"]["tokens"] for name in ("book", "nul")]
    assert tokens[1] == pytest.approx(tokens[0], rel=0.1)
