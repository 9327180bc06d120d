import datetime
import json
from pathlib import Path

import pytest

from tests.reports.made import example, write_conversations, write_corpus, write_dataset
from threadmill.cli import main
from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import read_manifest

START = datetime.datetime(2006, 1, 1, tzinfo=datetime.UTC)


def comments_of(folder: Path, days: int, a_day: int, month: int = 1) -> str:
    """A comments dataset with comments on the first days of a month of 2006."""
    lines = []
    for number in range(days * a_day):
        time = START.replace(month=month) + datetime.timedelta(days=number // a_day)
        line = {
            "id": f"{month}c{number}",
            "link_id": "t3_talk",
            "parent_id": "t3_talk",
            "author": "ann",
            "subreddit": "talk",
            "body": "a comment that says something",
            "created_utc": int(time.timestamp()),
            "score": 1,
        }
        lines.append(json.dumps(line))
    folder.mkdir()
    source = folder / f"RC_2006-{month:02d}.ndjson"
    source.write_text("\n".join(lines) + "\n")
    assert main(["ingest", str(source), "--output", str(folder / "comments"), "--workers", "1"]) == 0
    return str(folder / "comments")


def test_comments_are_held_against_the_month_before(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    january, february = comments_of(tmp_path / "1", 31, 10), comments_of(tmp_path / "2", 28, 2, month=2)
    assert main(["check-comments", february, "--month", "2006-02"]) == 0
    assert main(["check-comments", february, "--month", "2006-02", "--previous", january]) == 2
    error = capsys.readouterr().err
    assert "comments a day, to the month before's is 0.2 (2.0 after 10.0), wanted 0.5 to 4" in error
    ratio = ["--min-comments-ratio", "0.1"]
    assert main(["check-comments", february, "--month", "2006-02", "--previous", january, *ratio]) == 0


def test_conversations_are_held_against_an_earlier_release(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    earlier, now = (
        write_conversations(tmp_path / name, {"train": [[example(n, response="r" * length) for n in range(1000)]]})
        for name, length in (("a", 20), ("b", 30))
    )
    assert main(["check-conversations", now]) == 0
    assert main(["check-conversations", now, "--previous", earlier]) == 2
    assert "response characters, mean, change is 0.5 (30 after 20), wanted <= 0.25" in capsys.readouterr().err
    assert main(["check-conversations", now, "--previous", earlier, "--max-length-change", "0.6"]) == 0


def test_a_report_takes_the_comments_of_several_months_and_earlier_conversations(tmp_path: Path) -> None:
    comments = [comments_of(tmp_path / str(month), 3, 2, month) for month in (1, 2)]
    earlier, now = (write_conversations(tmp_path / name, {"train": [[example(1)]]}) for name in ("a", "b"))
    flags = ["--comments", *comments, "--earlier", earlier, "--max-yield", "0.5"]
    assert main(["report", now, *flags, "--output", str(tmp_path / "report")]) == 0
    manifest = read_manifest(str(tmp_path / "report"))
    assert [entry.uri for entry in manifest.inputs] == [*comments, now, earlier]
    assert manifest.config["max_yield"] == 0.5
    assert 'id="months"' in (tmp_path / "report" / "report.html").read_text()


def test_a_report_on_a_text_corpus_is_told_by_the_dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    corpus = write_corpus(tmp_path / "corpus", {"train": [[["One.", "Two."], ["Three."], ["Four."]]]})
    vocabulary = write_dataset(tmp_path / "vocabulary", "vocabulary", {"vocab.txt": (b"[PAD]\n", 1)}, Counters(4, 4, 1))
    flags = ["--vocabulary", vocabulary, "--examples", "2", "--output", str(tmp_path / "report")]
    assert main(["report", corpus, *flags]) == 0
    assert capsys.readouterr().out == f"{tmp_path}/report/report.html\n"
    manifest = read_manifest(str(tmp_path / "report"))
    assert (manifest.stage, manifest.config) == ("report", {"examples": 2})
    assert [entry.uri for entry in manifest.inputs] == [corpus, vocabulary]
    page = (tmp_path / "report" / "report.html").read_text()
    assert "3 documents of 4 lines and 4 words" in page
    assert page.count("<article") == 2


@pytest.mark.parametrize("flags", [["--earlier", "x"], ["--threads", "x"], ["--comments", "x"], ["--min-yield", "0"]])
def test_flags_of_conversations_are_refused_for_a_text_corpus(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str]
) -> None:
    corpus = write_corpus(tmp_path / "corpus", {"train": [[["One."]]]})
    assert main(["report", corpus, *flags, "--output", str(tmp_path / "report")]) == 2
    error = capsys.readouterr().err
    assert f"{flags[0]} is for reports on conversations, and {corpus} is a text corpus; leave it out" in error
    assert not (tmp_path / "report").exists()


def test_a_dataset_that_no_report_is_about_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    comments = write_dataset(tmp_path / "comments", "ingest", {}, Counters(1, 1, 1))
    assert main(["report", comments, "--output", str(tmp_path / "report")]) == 2
    assert "name one of the stage corpus or conversations or deduplicate" in capsys.readouterr().err
