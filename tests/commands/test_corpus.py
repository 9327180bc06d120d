from pathlib import Path

import orjson
import pytest

from threadmill.cli import main

TWEETS = "شوووف http://t.co/abc #هاشتاق_جديد 😂😂\n@someone وَالكِتَابُ me@example.com\nالسلام عليكم ورحمة الله\n"


def config_of(folder: Path) -> dict[str, object]:
    return dict(orjson.loads((folder / "manifest.json").read_bytes())["config"])


def test_a_preset_is_where_the_settings_start_from(tmp_path: Path) -> None:
    (tmp_path / "tweets.txt").write_text(TWEETS)
    command = ["corpus", str(tmp_path / "tweets.txt"), "--preset", "arabic", "--validation-split", "0", "--max-repeats", "3"]
    assert main([*command, "--no-space-emoji", "--output", str(tmp_path / "corpus")]) == 0
    assert (tmp_path / "corpus" / "train-00000-of-00001.txt").read_text().splitlines() == [
        "شوووف URL هاشتاق جديد 😂😂",
        "USER والكتاب EMAIL",
        "السلام عليكم ورحمة الله",
    ]
    config = config_of(tmp_path / "corpus")
    assert (config["urls"], config["max_repeats"], config["space_emoji"]) == ("replace", 3, False)


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--preset", "no"], "there is no preset 'no'; use one of default, arabic, amazon"),
        (["--validation-split", "0.6", "--test-split", "0.4"], "leave nothing to train on"),
        (["--language", "English"], "language is 'English'; write its ISO 639 code"),
        (["--shard-lines", "0"], "shard_lines is 0; it must be 1 or more"),
    ],
)
def test_wrong_settings_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], message: str) -> None:
    assert main(["corpus", str(tmp_path / "in.txt"), *flags, "--output", str(tmp_path / "corpus")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_a_corpus_can_be_shown_and_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "in.txt").write_text(
        "\n\n".join("\n".join(f"line {line} of {index}" for line in range(9)) for index in range(40))
    )
    assert main(["corpus", str(tmp_path / "in.txt"), "--quiet", "--format", "lines", "--output", str(tmp_path / "corpus")]) == 0
    assert main(["show", str(tmp_path / "corpus"), "--records", "2"]) == 0
    shown = capsys.readouterr().out
    assert "40 documents" in shown
    assert "\nline 0 of 0\nline 1 of 0\nline 2 of 0\nline 3 of 0\nline 4 of 0\nline 5 of 0\n...\n\nline 0 of 1\n" in shown
    assert main(["stats", str(tmp_path / "corpus")]) == 0
    counted = capsys.readouterr().out
    assert "single line documents" in counted
    assert "9.0" in counted


@pytest.mark.parametrize("kind", ["wordpiece", "sentencepiece-unigram"])
def test_the_words_that_stand_for_addresses_are_one_token_each(tmp_path: Path, kind: str) -> None:
    lines = [f"@name{index} كلمة {index} مختلفة في http://t.co/x{index} أو m{index}@x.com" for index in range(3_000)]
    (tmp_path / "tweets.txt").write_text("\n".join(lines))
    corpus = ["corpus", str(tmp_path / "tweets.txt"), "--quiet", "--preset", "arabic", "--output", str(tmp_path / "corpus")]
    assert main(corpus) == 0
    vocabulary = ["vocab", "train", str(tmp_path / "corpus"), "--quiet", "--kind", kind, "--size", "300"]
    assert main([*vocabulary, "--output", str(tmp_path / "vocab")]) == 0
    tokens = (tmp_path / "vocab" / "vocab.txt").read_text().splitlines()
    assert {"url", "user", "email"} <= {token.lower().removeprefix("▁") for token in tokens}
