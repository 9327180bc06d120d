from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.corpora.sample.dumps import Comment, read_comments
from threadmill.corpora.reddit.comments import TOMBSTONES
from threadmill.corpora.sample import write_sample
from threadmill.corpora.sample.submissions import SUBMISSION_FIELDS

Submission = dict[str, Any]
NAMES = ["RC_2006-01.zst", "RS_2006-01.zst", "RC_2006-02.zst", "RS_2006-02.zst"]


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two months of 20,000 comments each, with their submissions."""
    return write_sample(str(tmp_path_factory.mktemp("world")), comments=40_000, months=2, submissions=True)


@pytest.fixture(scope="module")
def submissions(paths: list[Path]) -> list[list[Submission]]:
    return [read_comments([path]) for path in paths[1::2]]


@pytest.fixture(scope="module")
def first_comments(paths: list[Path]) -> dict[str, Comment]:
    """The first comment of each thread by the thread's id."""
    first: dict[str, Comment] = {}
    for comment in read_comments(paths[::2]):
        first.setdefault(comment["link_id"].removeprefix("t3_"), comment)
    return first


def test_a_month_has_a_file_of_comments_and_one_of_submissions(tmp_path: Path, paths: list[Path]) -> None:
    assert [path.name for path in paths] == NAMES
    empty = write_sample(str(tmp_path), comments=1, months=2, submissions=True)
    assert [len(read_comments([path])) for path in empty[:2]] == [0, 0]


def test_comments_are_the_same_with_submissions_and_without(tmp_path: Path, paths: list[Path]) -> None:
    alone = write_sample(str(tmp_path), comments=40_000, months=2)
    assert [path.name for path in alone] == NAMES[::2]
    assert [path.read_bytes() for path in alone] == [path.read_bytes() for path in paths[::2]]


def test_each_thread_has_one_submission_before_its_first_comment(
    submissions: list[list[Submission]], first_comments: dict[str, Comment]
) -> None:
    every = {submission["id"]: submission for month in submissions for submission in month}
    assert len(every) == sum(map(len, submissions))
    assert every.keys() <= first_comments.keys()
    older = first_comments.keys() - every.keys()  # they opened before the first month, and so before its file
    assert 0 < len(older) < 0.2 * len(every)
    for thread, submission in every.items():
        assert submission["created_utc"] <= first_comments[thread]["created_utc"]
        assert submission["subreddit"] == first_comments[thread]["subreddit"]
        assert submission["subreddit_id"] == first_comments[thread]["subreddit_id"]


def test_submissions_are_of_their_month_and_nearly_in_order(submissions: list[list[Submission]]) -> None:
    for month, name in zip(submissions, ("2006-01", "2006-02"), strict=True):
        times = [submission["created_utc"] for submission in month]
        assert {datetime.fromtimestamp(time, UTC).strftime("%Y-%m") for time in times} == {name}
        assert sum(a > b for a, b in pairwise(times)) <= len(times) // 1000 + 2


def test_every_line_has_the_fields_of_a_submission(submissions: list[list[Submission]]) -> None:
    names = {field.name for field in SUBMISSION_FIELDS}
    for submission in submissions[0]:
        assert submission.keys() == names
        assert submission["url"].endswith(submission["permalink"]) == submission["is_self"]


def test_titles_are_on_one_line_and_some_texts_are_gone(submissions: list[list[Submission]]) -> None:
    every = [submission for month in submissions for submission in month]
    assert not any("\n" in submission["title"] or not submission["title"] for submission in every)
    assert len({submission["title"] for submission in every}) > len(every) / 3
    gone = [submission for submission in every if submission["selftext"] in TOMBSTONES]
    assert 0.05 < len(gone) / len(every) < 0.15
    assert {submission["author"] for submission in gone if submission["selftext"] == "[deleted]"} == {"[deleted]"}
    assert 0 < sum(submission["title"] == "[deleted by user]" for submission in every) < len(gone) / 2
    told = [submission for submission in every if submission["selftext"] and submission not in gone]
    assert all(submission["is_self"] for submission in told)
    assert 0.3 < len(told) / len(every) < 0.7
    assert any("\n\n" in submission["selftext"] for submission in told)


def test_submitters_are_those_that_their_comments_name(tmp_path: Path) -> None:
    paths = write_sample(str(tmp_path), comments=20_000, start="2018-01", submissions=True)
    comments, submissions = (read_comments([path]) for path in paths)
    authors = {submission["id"]: submission["author"] for submission in submissions}
    own = [comment for comment in comments if comment["is_submitter"] and comment["link_id"][3:] in authors]
    named = [(authors[comment["link_id"][3:]], comment["author"]) for comment in own]
    assert len(named) > 100
    assert all(author in (commenter, "[deleted]") for author, commenter in named)
