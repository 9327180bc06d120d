"""A recipe in one command."""

from pathlib import Path

import pytest

from threadmill.cli import main
from threadmill.commands.recipes import _RECORDS, _TRAINING, _VOCABULARY, _changed
from threadmill.datasets.dataset import Dataset, verify
from threadmill.recipes import RECIPES

_WORDS = ["قال", "الولد", "إن", "البيت", "كبير", "جدا", "والسماء", "زرقاء", "اليوم", "في", "المدينة", "القديمة", "على", "البحر"]


@pytest.fixture
def tweets(tmp_path: Path) -> Path:
    path = tmp_path / "tweets.txt"
    path.write_text(
        "".join(f"{' '.join(_WORDS[(i * j) % 13] for j in range(1, 8))} @user{i} http://t.co/{i}\n" for i in range(400))
    )
    return path


def test_one_command_makes_corpus_vocabulary_and_records(tweets: Path, tmp_path: Path) -> None:
    output = tmp_path / "qarib"
    settings = ["--vocab-size", "200", "--dupe-factor", "2", "--workers", "1"]
    assert main(["--quiet", "recipe", "qarib", str(tweets), "--output", str(output), *settings]) == 0
    for name in ("corpus", "vocabulary", "records"):
        assert verify(str(output / name)) == []
    text = (output / "corpus" / Dataset.open(str(output / "corpus")).shards("train")[0].name).read_text()
    assert "USER" in text
    assert "http" not in text
    records = Dataset.open(str(output / "records")).manifest
    assert records.config["max_seq_length"] == 64
    assert records.records > 0


def test_a_recipe_that_is_not_there_is_one_line(tweets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipe", "gpt", str(tweets), "--output", str(tmp_path / "out")]) == 2
    assert "there is no recipe 'gpt'" in capsys.readouterr().err


def test_what_was_made_from_relative_paths_is_found_from_anywhere(
    tweets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    settings = ["--vocab-size", "200", "--dupe-factor", "1", "--workers", "1"]
    assert main(["--quiet", "recipe", "qarib", tweets.name, "--output", "here", *settings]) == 0
    monkeypatch.chdir("/")
    assert main(["inspect", str(tmp_path / "here" / "records"), "--records", "1"]) == 0
    assert "{[MASK]=" in capsys.readouterr().out


def test_a_shortened_run_of_a_recipe_has_a_warm_up_that_fits() -> None:
    given = dict.fromkeys([*_VOCABULARY, *_RECORDS, *_TRAINING, "model"]) | {"steps": 50, "model": "roberta-tiny"}
    training = _changed(RECIPES["allegro"], given).training
    assert (training.steps, training.warmup) == (50, 5)
