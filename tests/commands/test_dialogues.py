from pathlib import Path

import pytest

from threadmill.cli import main
from threadmill.datasets.manifest import read_manifest

TEXT = "".join(
    f"text:is number {number} even?\tlabels:{'yes' if number % 2 == 0 else 'no'}, it is\n"
    f"text:and the next one?\tlabels:of course not\tepisode_done:True\n"
    for number in range(60)
)


@pytest.fixture
def dialogues(tmp_path: Path) -> Path:
    (tmp_path / "numbers_train.txt").write_text(TEXT)
    (tmp_path / "numbers_valid.txt").write_text(TEXT[: len(TEXT) // 10])
    command = ["dialogues", str(tmp_path / "numbers_train.txt"), str(tmp_path / "numbers_valid.txt"), "--quiet"]
    assert main([*command, "--parent-depth", "3", "--max-bad-fraction", "0.1", "--output", str(tmp_path / "set")]) == 0
    return tmp_path / "set"


def test_dialogues_can_be_shown_counted_and_verified(dialogues: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(dialogues), "--records", "1"]) == 0
    shown = capsys.readouterr().out
    assert "set: dialogues (version 1)" in shown
    assert "  train: 120 records, 1 file\n" in shown
    assert "  3: and the next one?\n  4: of course not" in shown
    assert main(["stats", str(dialogues)]) == 0
    assert "response" in capsys.readouterr().out
    assert main(["verify", str(dialogues)]) == 0


def test_records_are_made_of_dialogues(dialogues: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vocabulary, records = str(tmp_path / "vocabulary"), str(tmp_path / "records")
    assert main(["vocab", "train", str(dialogues), "--size", "150", "--quiet", "--output", vocabulary]) == 0
    lengths = ["--max-seq-length", "64", "--max-target-length", "32"]
    command = ["records", str(dialogues), "--vocab", vocabulary, "--objective", "seq2seq", *lengths]
    assert main([*command, "--quiet", "--output", records]) == 0
    manifest = read_manifest(records)
    assert manifest.counters.kept == read_manifest(str(dialogues)).records
    assert {shard.name.split("-")[0] for shard in manifest.shards} == {"train", "validation"}
    capsys.readouterr()
    assert main(["inspect", records, "--records", "1"]) == 0
    assert "course" in capsys.readouterr().out


def test_wrong_settings_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["dialogues", str(tmp_path / "x"), "--output", str(tmp_path / "set")]) == 2
    assert (
        capsys.readouterr().err
        == f"threadmill: error: {tmp_path}/x does not exist; name a file of dialogues, or a folder of them\n"
    )
    assert main(["dialogues", str(tmp_path / "x"), "--label-turns", "third", "--output", str(tmp_path / "set")]) == 2
    assert "invalid choice: 'third'" in capsys.readouterr().err
