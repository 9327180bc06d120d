import datetime
from collections.abc import Iterator, Mapping
from itertools import count
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from threadmill.corpora.checks import check_comments
from threadmill.corpora.limits import CommentLimits
from threadmill.datasets.counters import Counters
from threadmill.datasets.digest import file_digest
from threadmill.datasets.gate import Verdict
from threadmill.datasets.manifest import FileEntry, Manifest, write_manifest
from threadmill.errors import ConfigError, InputError

TIME = datetime.datetime(2005, 12, 12, tzinfo=datetime.UTC)
FIRST = TIME.replace(day=1)


def comment(identity: str, **changed: Any) -> dict[str, Any]:
    row = {
        "id": identity,
        "thread_id": "t1",
        "parent_kind": "comment",
        "subreddit": "reddit.com",
        "author": "ann",
        "body": "a comment",
        "created_utc": TIME,
        "removal": None,
        "month": "2005-12",
    }
    return {**row, **changed}


def comments_dataset(folder: Path, *shards: list[dict[str, Any]]) -> str:
    schema = dict.fromkeys(comment("c1"), pl.String) | {"created_utc": pl.Datetime("us", "UTC")}
    entries = []
    for index, rows in enumerate(shards):
        path = folder / f"RC-{index:05d}-of-{len(shards):05d}.parquet"
        pl.DataFrame(rows, schema=schema).write_parquet(path)
        entries.append(FileEntry(path.name, len(rows), path.stat().st_size, file_digest(str(path))))
    total = sum(len(rows) for rows in shards)
    write_manifest(str(folder), Manifest("comments", "ingest", 1, {}, (), (), tuple(entries), Counters(total, total, total)))
    return str(folder)


def verdicts(uri: str, limits: CommentLimits) -> Mapping[str, Verdict]:
    return {check.measure: check.verdict for check in check_comments(uri, limits)}


def test_good_comments_of_several_shards_pass(tmp_path: Path) -> None:
    uri = comments_dataset(tmp_path, [comment("c1"), comment("c2")], [comment("c3", body="[deleted]", removal="author")])
    checks = check_comments(uri, CommentLimits(month="2005-12", min_comments=3))
    assert [check.measure for check in checks if check.verdict is not Verdict.PASS] == ["days without a comment"]
    values = {check.measure: check.value for check in checks}
    assert values["comments"] == "3"
    assert values["tombstones"] == "0.3333"


@pytest.mark.parametrize(
    ("spoilt", "limits", "failing"),
    [
        ({}, CommentLimits(min_comments=3), "comments"),
        ({"id": "c1"}, CommentLimits(), "duplicate ids"),
        ({"id": None}, CommentLimits(max_duplicate_rate=1.0), "missing ids"),
        ({"thread_id": None}, CommentLimits(), "missing threads"),
        ({"created_utc": None}, CommentLimits(), "missing times"),
        ({"body": None}, CommentLimits(), "missing bodies"),
        ({"author": None}, CommentLimits(), "missing authors"),
        ({"subreddit": None}, CommentLimits(), "missing subreddits"),
        ({"removal": "moderator"}, CommentLimits(max_tombstone_rate=0.4), "tombstones"),
        ({}, CommentLimits(min_tombstone_rate=0.01), "tombstones"),
        ({"month": "2006-01"}, CommentLimits(month="2005-12"), "not of 2005-12"),
    ],
)
def test_each_fault_fails_its_own_check_alone(
    tmp_path: Path, spoilt: dict[str, Any], limits: CommentLimits, failing: str
) -> None:
    uri = comments_dataset(tmp_path, [comment("c1"), comment("c2") | spoilt])
    assert [measure for measure, verdict in verdicts(uri, limits).items() if verdict is Verdict.FAIL] == [failing]


def month_of(comments_a_day: int, days: int = 31, start: datetime.datetime = FIRST, **changed: Any) -> Iterator[Any]:
    """The same number of comments on each of the days from the first of 2005-12."""
    numbers = count()
    for day in range(days):
        for _ in range(comments_a_day):
            number = next(numbers)
            fields = {name: value(number) if callable(value) else value for name, value in changed.items()}
            yield comment(f"c{number}", **{"created_utc": start + datetime.timedelta(days=day), **fields})


def written(folder: Path, rows: Iterator[dict[str, Any]]) -> str:
    folder.mkdir()
    return comments_dataset(folder, list(rows))


def test_days_without_a_comment_are_named(tmp_path: Path) -> None:
    rows = [row for row in month_of(100) if row["created_utc"].day not in (7, 9, 31)]
    uri = comments_dataset(tmp_path, rows)
    found = {check.measure: check for check in check_comments(uri, CommentLimits(month="2005-12"))}["days without a comment"]
    assert (found.verdict, found.value) == (Verdict.FAIL, "3 (such as 2005-12-07, 2005-12-09, 2005-12-31)")
    assert verdicts(uri, CommentLimits(month="2005-12", max_missing_days=3))["days without a comment"] is Verdict.PASS


def test_without_a_month_the_days_between_the_first_and_the_last_count(tmp_path: Path) -> None:
    rows = [row for row in month_of(100, days=20) if row["created_utc"].day != 7]
    found = {check.measure: check for check in check_comments(comments_dataset(tmp_path, rows), CommentLimits())}
    assert found["days without a comment"].value == "1 (such as 2005-12-07)"


def test_a_day_without_comments_is_no_fault_where_few_are_written(tmp_path: Path) -> None:
    uri = comments_dataset(tmp_path, [comment("c1"), comment("c2")])
    assert verdicts(uri, CommentLimits(month="2005-12"))["days without a comment"] is Verdict.NOT_JUDGED


def test_submissions_are_counted_apart_and_enter_no_rate(tmp_path: Path) -> None:
    submission = {"parent_kind": "none", "author": None, "subreddit": None, "removal": "author", "month": "2006-01"}
    rows = [comment("c1"), comment("c2"), *(comment("c1", **submission) for _ in range(5))]
    checks = check_comments(comments_dataset(tmp_path, rows), CommentLimits(month="2005-12"))
    values = {check.measure: check.value for check in checks}
    assert [check.measure for check in checks if check.failed] == []
    assert (values["comments"], values["submissions"], values["tombstones"]) == ("2", "5", "0")


@pytest.mark.parametrize(
    ("now", "failing"),
    [
        ({}, []),
        ({"comments_a_day": 4}, ["comments a day, to the month before's"]),
        ({"comments_a_day": 50}, ["comments a day, to the month before's"]),
        ({"removal": lambda number: "author" if number % 4 == 0 else None}, ["tombstones, change from the month before"]),
    ],
    ids=["like the month before", "a third", "four times and more", "more tombstones"],
)
def test_drift_from_the_month_before_fails(tmp_path: Path, now: dict[str, Any], failing: list[str]) -> None:
    before = written(tmp_path / "before", month_of(12, days=30, start=TIME.replace(month=11, day=1)))
    uri = written(tmp_path / "now", month_of(**{"comments_a_day": 14, **now}))
    checks = check_comments(uri, CommentLimits(month="2005-12"), previous=before)
    assert [check.measure for check in checks if check.failed] == failing
    assert len(checks) == len(check_comments(uri, CommentLimits(month="2005-12"))) + 2


def test_a_month_before_without_comments_fails_the_drift_checks(tmp_path: Path) -> None:
    before, uri = written(tmp_path / "before", iter([])), written(tmp_path / "now", month_of(2))
    failed = [check.measure for check in check_comments(uri, CommentLimits(), previous=before) if check.failed]
    assert failed == ["comments a day, to the month before's", "tombstones, change from the month before"]


def test_conversations_are_no_comments(tmp_path: Path) -> None:
    write_manifest(str(tmp_path), Manifest("c", "conversations", 1, {}, (), (), (), Counters()))
    with pytest.raises(InputError, match="name one of the stage ingest"):
        check_comments(str(tmp_path), CommentLimits())


def test_comments_of_any_month_pass_where_none_is_named(tmp_path: Path) -> None:
    uri = comments_dataset(tmp_path, [comment("c1"), comment("c2", month="2006-01")])
    assert Verdict.FAIL not in verdicts(uri, CommentLimits()).values()


def test_a_folder_without_dataset_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no manifest\.json"):
        check_comments(str(tmp_path), CommentLimits())


@pytest.mark.parametrize(
    "wrong",
    [
        {"month": "2005-13"},
        {"min_comments": 0},
        {"max_null_rate": 1.5},
        {"max_tombstone_rate": -0.1},
        {"max_missing_days": 32},
        {"min_comments_ratio": 5.0},
        {"min_tombstone_rate": 0.6},
    ],
)
def test_limits_of_no_use_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        CommentLimits(**wrong)
