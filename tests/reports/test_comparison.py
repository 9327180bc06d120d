from pathlib import Path
from typing import Any

import pytest

from tests.reports.made import Row, example, write_conversations, write_dataset
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.reports.comparison import comparison


def lines(first: str, second: str) -> list[str]:
    return list(comparison(Dataset.open(first), Dataset.open(second), "300MB"))


def section(found: list[str], title: str) -> list[list[str]]:
    """The rows of a section below its heads, as words."""
    start = next(number for number, line in enumerate(found) if line.startswith(f"\n{title}"))
    rest = found[start + 2 :]
    end = next((number for number, line in enumerate(rest) if line.startswith("\n")), len(rest))
    return [line.split() for line in rest[:end]]


def release(folder: Path, rows: list[Row], **changed: Any) -> str:
    half = len(rows) // 2
    return write_conversations(folder, {"train": [rows[:half]], "test": [rows[half:]]}, **changed)


@pytest.mark.parametrize("format", ["jsonl", "parquet"])
def test_examples_are_compared_by_id_whatever_their_order_and_format(tmp_path: Path, format: str) -> None:
    rows = [example(number) for number in range(20)]
    first = release(tmp_path / "a", rows, format="tfrecord")
    changed = [{**row, "response": "edited"} if number in (3, 4) else row for number, row in enumerate(rows)]
    second = release(tmp_path / "b", [*reversed(changed[1:]), example(90), example(91), example(92)], format=format)
    assert section(lines(first, second), "Examples") == [
        ["equal", "in", "both", "17"],
        ["changed", "2", "such", "as", "c3"],
        ["in", "the", "first", "only", "1", "such", "as", "c0"],
        ["in", "the", "second", "only", "3", "such", "as", "c90"],
    ]


def test_settings_inputs_and_funnels_that_differ_are_listed(tmp_path: Path) -> None:
    inputs = [tmp_path / "one", tmp_path / "two"]
    for number, folder in enumerate(inputs):
        write_dataset(folder, "threads", {"x-00000-of-00001.parquet": (b"x" * number, number)}, Counters())
    rows = [example(number) for number in range(4)]
    first = release(tmp_path / "a", rows, config={"max_length": 127, "same": 1}, made_from=inputs[:1])
    counters = Counters(90, 4, 4, {"top_level": 80, "orphan": 6})
    second = release(
        tmp_path / "b", rows, config={"max_length": 200, "same": 1, "new": "\x1b"}, made_from=inputs[1:], counters=counters
    )
    found = lines(first, second)
    assert section(found, "Settings") == [["max_length", "127", "200"], ["new", "-", '"\\u001b"']]
    assert [row[0] for row in section(found, "Inputs")] == ["one", "two"]
    assert section(found, "Funnel") == [
        ["read", "54", "90", "+36"],
        ["-", "top", "level", "40", "80", "+40"],
        ["-", "response", "too", "short", "10", "0", "-10"],
        ["-", "orphan", "0", "6", "+6"],
        ["kept", "4", "4"],
        ["written", "4", "4"],
    ]


def test_settings_of_another_stage_are_not_listed_as_differences(tmp_path: Path) -> None:
    rows = [example(number) for number in range(4)]
    first = release(tmp_path / "a", rows, config={"max_length": 127, "seed": 1})
    second = release(tmp_path / "b", rows[:3], config={"ngram": 5, "seed": 2}, stage="deduplicate")
    settings = section(lines(first, second), "Settings")
    assert [row[0] for row in settings] == ["(stage)", "seed"]


def test_drift_of_lengths_and_subreddits_is_told(tmp_path: Path) -> None:
    first = release(tmp_path / "a", [example(number, response="r" * 10, subreddit="x") for number in range(10)])
    second = release(tmp_path / "b", [example(number, response="r" * 20, subreddit="y") for number in range(10)])
    found = lines(first, second)
    assert ["response", "characters,", "mean", "10", "20", "+100.0%"] in section(found, "Lengths")
    assert any("total variation distance 1.000" in line for line in found)
    assert section(found, "Subreddits") == [
        ["r/x", "100.00%", "0.00%", "-100.00"],
        ["r/y", "0.00%", "100.00%", "+100.00"],
    ]


def test_the_same_release_is_told_by_its_digest(tmp_path: Path) -> None:
    rows = [example(number) for number in range(4)]
    first = release(tmp_path / "a" / "c", rows)
    second = release(tmp_path / "b" / "c", rows)
    assert lines(first, second)[-1].startswith("equal: ")


def test_datasets_that_are_no_conversations_are_compared_by_their_manifests(tmp_path: Path) -> None:
    uris = [write_dataset(tmp_path / name, "ingest", {}, Counters(read, read, read)) for name, read in (("a", 3), ("b", 5))]
    found = lines(*uris)
    assert ["read", "3", "5", "+2"] in section(found, "Funnel")
    assert not any("Examples" in line for line in found)
