from pathlib import Path

import orjson

from tests.reports.made import example, write_conversations, write_dataset
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.reports.figures import figures, figures_text


def made(folder: Path) -> Dataset:
    rows = [example(number, response="r" * number, subreddit="a" if number < 70 else "b") for number in range(1, 101)]
    return Dataset.open(write_conversations(folder, {"train": [rows[:60], rows[60:90]], "test": [rows[90:]]}))


def test_figures_of_conversations_are_json_values(tmp_path: Path) -> None:
    found = orjson.loads(orjson.dumps(figures(made(tmp_path / "c"), 1)))
    assert found["records"] == 100
    assert found["comments"] == 150
    assert found["yield"] == 100 / 150
    assert {name: split["records"] for name, split in found["splits"].items()} == {"train": 90, "test": 10}
    assert found["lengths"]["response_chars"] == {
        "mean": 50.5,
        **{f"p{number}": number for number in (5, 25, 50, 75, 95, 99)},
        "maximum": 100,
    }
    assert found["subreddits"] == {"count": 2, "largest": [["a", 69]]}
    assert found["counters"]["dropped"] == {"top_level": 40, "response_too_short": 10}


def test_figures_are_printed_as_tables(tmp_path: Path) -> None:
    dataset = made(tmp_path / "c")
    text = "\n".join(figures_text(dataset, figures(dataset, 5)))
    for piece in (
        "c: conversations, 100 records",
        "0.6667 examples a comment, of 150 comments",
        "subreddit (2 of 2)",
        "top level",
    ):
        assert piece in text
    assert ["r/b", "31", "31.0%"] in [line.split() for line in text.splitlines()]


def test_other_datasets_have_a_funnel_and_splits(tmp_path: Path) -> None:
    uri = write_dataset(tmp_path / "c", "ingest", {"RC-00000-of-00001.parquet": (b"", 0)}, Counters(5, 0, 0, {"no id": 5}))
    dataset = Dataset.open(uri)
    found = figures(dataset, 5)
    assert "lengths" not in found
    assert any("no id" in line for line in figures_text(dataset, found))


def test_the_yield_of_what_is_gone_is_not_known(tmp_path: Path) -> None:
    uri = write_conversations(tmp_path / "c", {"train": [[example(1)]]}, stage="deduplicate")
    dataset = Dataset.open(uri)
    found = figures(dataset, 5)
    assert found["yield"] is None
    assert "examples a comment" not in "\n".join(figures_text(dataset, found))
