import json
from itertools import pairwise
from pathlib import Path

import pytest

from tests.corpora.sample.dumps import Comment, read_comments, read_lines
from threadmill.corpora.sample import write_sample
from threadmill.corpora.sample.fields import FIELDS, fields_of

REPOSITORY = Path(__file__).parents[3]


def month(folder: Path, name: str, comments: int = 2000) -> list[Comment]:
    return months(folder, name, 1, comments)[0]


def months(folder: Path, start: str, number: int, comments: int) -> list[list[Comment]]:
    """So many months, each with so many comments."""
    paths = write_sample(str(folder), comments=number * comments, months=number, start=start)
    return [read_comments([path]) for path in paths]


@pytest.mark.parametrize(
    ("start", "types"),
    [
        ("2005-12", [{int}]),
        ("2007-10", [{int}, {str}]),
        ("2015-01", [{str}, {int, str}, {str}]),
        ("2015-11", [{str}, {int}]),
        ("2023-12", [{int}, {int, float}]),
        ("2024-12", [{int, float}, {int}]),
    ],
)
def test_created_utc_drifts(tmp_path: Path, start: str, types: list[set[type]]) -> None:
    found = months(tmp_path, start, len(types), 1000)
    assert [{type(comment["created_utc"]) for comment in comments} for comments in found] == types


@pytest.mark.parametrize(
    ("field", "last_without"),
    [
        ("name", "2007-10"),
        ("name", "2021-01"),
        ("permalink", "2017-09"),
        ("is_submitter", "2017-07"),
        ("_meta", "2023-10"),
        ("ups", "2023-03"),
        ("downs", "2023-03"),
        ("retrieved_on", "2021-06"),
    ],
)
def test_field_comes(tmp_path: Path, field: str, last_without: str) -> None:
    without, having = months(tmp_path, last_without, 2, 50)
    assert not any(field in comment for comment in without)
    assert all(field in comment for comment in having)


@pytest.mark.parametrize(
    ("field", "last_with"), [("name", "2015-07"), ("downs", "2015-07"), ("ups", "2016-09"), ("retrieved_on", "2021-01")]
)
def test_field_goes(tmp_path: Path, field: str, last_with: str) -> None:
    having, without = months(tmp_path, last_with, 2, 50)
    assert all(field in comment for comment in having)
    assert not any(field in comment for comment in without)


def test_some_values_are_missing_or_null(tmp_path: Path) -> None:
    assert 0 < sum("retrieved_on" not in comment for comment in month(tmp_path, "2015-02")) < 400
    assert 0 < sum(comment["retrieved_on"] is None for comment in month(tmp_path, "2018-04")) < 400
    assert 0 < sum(comment["score"] is None for comment in month(tmp_path, "2017-10")) < 100
    assert all("retrieved_utc" in comment for comment in month(tmp_path, "2021-03"))


def test_edited_is_false_or_a_time(tmp_path: Path) -> None:
    for name, kind in (("2006-01", int), ("2024-01", float)):
        edited = [comment["edited"] for comment in month(tmp_path, name)]
        assert {type(value) for value in edited} == {bool, kind}
        assert edited.count(False) > 0.9 * len(edited)


def test_what_is_known_of_an_author_is_left_out_where_the_account_is_deleted(tmp_path: Path) -> None:
    for comment in month(tmp_path, "2020-01"):
        assert ("author_fullname" in comment) == (comment["author"] != "[deleted]")


def test_meta_tells_what_was_removed(tmp_path: Path) -> None:
    comments = month(tmp_path, "2024-01")
    assert all(comment["_meta"]["retrieved_2nd_on"] > comment["created_utc"] for comment in comments)
    for body, kind in (("[deleted]", "deleted"), ("[removed]", "removed")):
        assert {comment["_meta"]["removal_type"] for comment in comments if comment["body"] == body} == {kind}
    later = [comment for comment in comments if comment["_meta"].get("was_deleted_later")]
    assert later
    assert not any(comment["body"].startswith("[deleted") for comment in later)


def test_newer_lines_are_sorted_utf8_and_older_are_not(tmp_path: Path) -> None:
    old, new = (read_lines(write_sample(str(tmp_path), comments=2000, start=name)[0]) for name in ("2023-03", "2023-04"))
    assert all(list(json.loads(line)) == sorted(json.loads(line)) for line in new)
    assert len({tuple(json.loads(line)) for line in old if json.loads(line)["author"] != "[deleted]"}) == 3
    assert all(line.isascii() for line in old)
    assert any(b"\\ud83d\\ude02" in line for line in old)
    assert any("😂".encode() in line for line in new)


def test_reddit_removes_comments_itself_in_newer_months(tmp_path: Path) -> None:
    assert any(comment["body"] == "[ Removed by Reddit ]" for comment in month(tmp_path, "2022-01", 10_000))


def test_no_month_has_a_field_twice() -> None:
    names = [f"{year}-{number:02d}" for year in range(2005, 2028) for number in range(1, 13)]
    for name in names[11:]:
        keys = [field.name for field in fields_of(name)]
        assert len(keys) == len(set(keys))


def test_spans_of_months_are_in_order() -> None:
    for field in FIELDS:
        bounds = [bound for span in field.months.split() for bound in span.split("..") if bound]
        assert all(a <= b for a, b in pairwise(bounds)), field


@pytest.mark.parametrize(("dump", "name"), [("RC_2005-12.zst", "2005-12"), ("RC_2008-01_first1000.ndjson", "2008-01")])
def test_fields_are_those_of_the_real_dump(dump: str, name: str) -> None:
    # What the files in shared/data hold, told here so that the test also runs without them.
    early = "author author_flair_css_class author_flair_text body controversiality created_utc distinguished edited gilded id"
    early += " link_id parent_id retrieved_on score subreddit subreddit_id ups"
    expected = {
        "2005-12": {*early.split(), "stickied"},
        "2008-01": {*early.split(), "archived", "downs", "name", "score_hidden"},
    }[name]
    path = REPOSITORY.parent / "shared" / "data" / "reddit" / dump
    if path.exists():
        lines = read_lines(path) if path.suffix == ".zst" else path.read_bytes().splitlines()
        assert set.union(*(set(json.loads(line)) for line in lines)) == expected
    assert {field.name for field in fields_of(name)} == expected
