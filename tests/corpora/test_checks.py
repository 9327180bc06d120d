import datetime
from collections.abc import Mapping
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


def comment(identity: str, **changed: Any) -> dict[str, Any]:
    row = {
        "id": identity,
        "thread_id": "t1",
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
    assert {check.verdict for check in checks} == {Verdict.PASS}
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


def test_comments_of_any_month_pass_where_none_is_named(tmp_path: Path) -> None:
    uri = comments_dataset(tmp_path, [comment("c1"), comment("c2", month="2006-01")])
    assert Verdict.FAIL not in verdicts(uri, CommentLimits()).values()


def test_a_folder_without_dataset_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no manifest\.json"):
        check_comments(str(tmp_path), CommentLimits())


@pytest.mark.parametrize(
    "wrong", [{"month": "2005-13"}, {"min_comments": 0}, {"max_null_rate": 1.5}, {"max_tombstone_rate": -0.1}]
)
def test_limits_of_no_use_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        CommentLimits(**wrong)
