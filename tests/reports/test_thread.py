import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from tests.reports.made import example, write_conversations, write_dataset
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.errors import InputError
from threadmill.reports.thread import TreeLimits, read_thread, render_thread

START = datetime.datetime(2006, 1, 3, 10, tzinfo=datetime.UTC)


def row(minute: int, identity: str, parent: str | None, **changed: Any) -> dict[str, Any]:
    return {
        "thread_id": "boats",
        "id": identity,
        "parent_id": parent,
        "parent_kind": "submission" if parent == "boats" else "comment",
        "subreddit": "talk",
        "author": f"author{minute}",
        "body": f"text of {identity}",
        "score": minute,
        "created_utc": START + datetime.timedelta(minutes=minute),
        "removal": None,
        **changed,
    }


def submission(minute: int = 0, body: str = "A title\n\nand its text") -> dict[str, Any]:
    return row(minute, "boats", None, parent_kind="none", body=body, author="op")


def tree(*rows: dict[str, Any], **limits: int) -> list[str]:
    return list(render_thread(pl.DataFrame(list(rows), infer_schema_length=None), TreeLimits(**limits)))


def outline(lines: list[str]) -> list[str]:
    """The lines that begin a comment or tell what is left out, without what they say of it."""
    return [line.split("author")[0] + line.split(" · ")[-1] for line in lines[1:] if "├" in line or "└" in line]


def test_replies_hang_below_what_they_answer_in_the_order_of_time() -> None:
    lines = tree(row(3, "c", "a"), row(2, "b", "boats"), row(1, "a", "boats"), row(4, "d", "c"))
    assert lines == [
        "thread boats, r/talk: 4 comments by 4 authors, 2006-01-03 to 2006-01-03",
        "├─ author1 · 1 point · 2006-01-03 10:01 · t1_a",
        "│  text of a",
        "│  └─ author3 · 3 points · 2006-01-03 10:03 · t1_c",
        "│     text of c",
        "│     └─ author4 · 4 points · 2006-01-03 10:04 · t1_d",
        "│        text of d",
        "└─ author2 · 2 points · 2006-01-03 10:02 · t1_b",
        "   text of b",
    ]


def test_the_submission_is_the_root_of_what_answers_it() -> None:
    lines = tree(row(1, "a", "boats"), submission(2), row(3, "b", "a"))
    assert lines[1:4] == ["└─ op · 2 points · 2006-01-03 10:02 · t3_boats", "   A title", "   and its text"]
    assert outline(lines)[1:] == ["   └─ t1_a", "      └─ t1_b"]
    assert "2 comments" in lines[0]


def test_a_comment_with_the_submissions_id_is_another() -> None:
    lines = tree(submission(), row(1, "boats", "boats"), row(2, "b", "boats", parent_kind="comment"))
    assert outline(lines)[1:] == ["   └─ t1_boats", "      └─ t1_b"]


def test_what_is_out_of_the_ordinary_is_said() -> None:
    lines = tree(
        row(1, "a", "gone"),
        row(2, "b", "a", removal="moderator", body="[removed]", author=None, score=None),
        row(3, "b", "a"),
        row(4, "c", "b", is_new=False),
    )
    assert lines[1].endswith("t1_a · answers t1_gone, which is missing")
    assert lines[3].endswith("[no author] · 2006-01-03 10:02 · t1_b · removed (moderator)")
    assert any(line.endswith("t1_b · a duplicate") for line in lines)
    assert any(line.endswith("t1_c · context only") for line in lines)


def test_a_cycle_and_a_comment_that_answers_itself_are_shown_once_each() -> None:
    lines = tree(row(1, "a", "c"), row(2, "b", "a"), row(3, "c", "b"), row(4, "d", "c"), row(5, "e", "e"), row(6, "f", "e"))
    assert outline(lines) == [
        "├─ answers what answers it, a cycle",
        "│  └─ t1_b",
        "│     └─ t1_c",
        "│        └─ t1_d",
        "└─ answers what answers it, a cycle",
        "   └─ t1_f",
    ]


def test_a_deep_chain_stays_within_the_width_and_tells_its_depth() -> None:
    rows = [row(number, f"c{number}", f"c{number - 1}" if number else "boats") for number in range(5000)]
    lines = tree(*rows, width=60, comments=5000)
    assert max(map(len, lines)) <= 60
    assert any("depth 4999" in line for line in lines)
    assert not any("not shown" in line for line in lines)


def test_what_is_left_out_is_counted() -> None:
    rows = [row(number, f"c{number}", "boats") for number in range(30)]
    below = [row(100 + number, f"d{number}", f"c{20 + number}") for number in range(5)]
    lines = tree(*rows, *below, replies=20)
    assert lines[-2:] == ["└─ ... 10 more, 15 with what is below them", "... 15 of 35 are not shown"]
    assert tree(*rows, *below, comments=3)[-1] == "... 32 of 35 are not shown"


def test_long_bodies_are_wrapped_and_cut() -> None:
    lines = tree(row(1, "a", "boats", body="word " * 200), width=50)
    assert max(map(len, lines)) <= 50
    assert lines[-1].endswith("more characters")
    assert len(lines) < 10


def test_no_text_can_move_the_cursor() -> None:
    text = "\n".join(tree(row(1, "a", "boats", body="red \x1b[31m", author="\u202eevil")))
    assert not {"\x1b", "\u202e"} & set(text)


@pytest.fixture
def comments(tmp_path: Path) -> Dataset:
    parts = [[row(1, "a", "boats"), row(1, "x", "cars", thread_id="cars")], [row(2, "b", "a")]]
    files = {}
    for number, rows in enumerate(parts):
        path = tmp_path / "rows.parquet"
        pl.DataFrame(rows, infer_schema_length=None).write_parquet(path)
        files[f"RC-{number:05d}-of-00002.parquet"] = (path.read_bytes(), len(rows))
    return Dataset.open(write_dataset(tmp_path / "comments", "ingest", files, Counters(3, 3, 3)))


@pytest.mark.parametrize("identity", ["boats", "t3_boats", " boats"])
def test_a_thread_is_gathered_from_all_shards_of_comments(comments: Dataset, identity: str) -> None:
    assert sorted(read_thread(comments, identity)["id"]) == ["a", "b"]


def test_a_thread_that_is_not_there_is_told(comments: Dataset) -> None:
    with pytest.raises(InputError, match="no comment of a thread 'planes'"):
        read_thread(comments, "planes")


def test_conversations_have_no_threads_to_show(tmp_path: Path) -> None:
    uri = write_conversations(tmp_path / "c", {"train": [[example(1)]]})
    with pytest.raises(InputError, match="name one of comments or threads"):
        read_thread(Dataset.open(uri), "t1")
