from itertools import pairwise
from typing import Any

import polars as pl
import pytest

from tests.corpora.reddit.exports import TIME, comment, csv_text, json_lines, parsed_all
from threadmill.corpora.reddit.comments import DeadLetter
from threadmill.corpora.reddit.csv_exports import csv_pieces
from threadmill.corpora.reddit.dump import Block
from threadmill.corpora.reddit.json_lines import parse_block
from threadmill.errors import InputError

HEADER = b"id,link_id,parent_id,body,created_utc\n"


def read(content: bytes, month: str = "", piece_bytes: int = 11) -> tuple[pl.DataFrame, list[DeadLetter], int]:
    bounds = [*range(0, len(content), piece_bytes), len(content)]
    return parsed_all(csv_pieces("x.csv", [content[start:end] for start, end in pairwise(bounds)], 100, month))


def test_rows_are_those_of_the_same_rows_as_json() -> None:
    rows = [
        comment(body='with, commas\nlines\r\nand "quotes"'),
        comment(id="c2", parent_id=None, author=None, score=None, subreddit=None),
        comment(id="007", link_id="t3_12", parent_id="t3_12", body="[deleted]", author="[deleted]"),
        comment(id="c4", created_utc=f"{TIME}.0", distinguished="moderator", body="é😀", score="-3"),
        comment(id="c5", body=""),
    ]
    wanted, none = parse_block(Block(json_lines(rows), 1, len(rows)), 100)
    frame, letters, records = read(csv_text(rows))
    assert (none, letters, records) == ([], [], 5)
    assert frame.equals(wanted)
    assert frame["source_row"].to_list() == [101, 102, 103, 104, 105]


def test_an_extract_of_the_api_is_read_with_mark_carriage_returns_and_base_10_parents() -> None:
    parent = str(int("c0abc12", 36))
    rows = [
        comment(id="a", parent_id=parent),
        comment(id="b", parent_id=f"{parent}.0"),
        comment(id="c", parent_id=None),
        comment(id="d", parent_id=str(int("17863", 36))),
        comment(id="e", parent_id="NaN"),
    ]
    frame, letters, _ = read(b"\xef\xbb\xbf" + csv_text(rows, "\r\n"))
    assert letters == []
    assert frame.select("id", "parent_id", "parent_kind").rows() == [
        ("a", "c0abc12", "comment"),
        ("b", "c0abc12", "comment"),
        ("c", "17863", "submission"),
        ("d", "17863", "submission"),
        ("e", "17863", "submission"),
    ]


@pytest.mark.parametrize(
    ("link", "parent", "wanted"),
    [
        ("t3_17863", "1234567", ("17863", "qglj", "comment")),  # beside a prefix: base 10
        ("abc", "1234567", ("abc", "1234567", "comment")),  # beside letters: as it is
        ("abc", "33287847232", ("abc", "faiq3b4", "comment")),  # no id is that long
        ("33287847232", "1234567", ("faiq3b4", "qglj", "comment")),
        ("33287847232", "", ("faiq3b4", "faiq3b4", "submission")),
        ("17863", "t1_c0", ("17863", "c0", "comment")),
        ("17863", "c0", ("17863", "c0", "comment")),
        ("17863.0", "", ("ds7", "ds7", "submission")),
        ("17863", "12", None),
        ("17863", "", None),
        ("17863", "33287847232", None),
    ],
)
def test_ids_of_digits_are_told_apart_or_told_to_be_ambiguous(
    link: str, parent: str, wanted: tuple[str, str, str] | None
) -> None:
    frame, letters, _ = read(csv_text([comment(link_id=link, parent_id=parent or None)]))
    found = frame.select("thread_id", "parent_id", "parent_kind").rows()
    assert found == ([] if wanted is None else [wanted])
    assert [letter.reason for letter in letters] == (["ambiguous ids"] if wanted is None else [])


def test_bad_records_are_dead_letters_with_the_line_on_which_they_begin() -> None:
    good = b'a%d,t3_x,,"one\ntwo",1134365188\n'
    bad = [
        (b"b,t3_x,,too few\n", "wrong number of fields"),
        (b"b,t3_x,,many,1134365188,more\n", "wrong number of fields"),
        (b'b,t3_x,,"a "quote" in it",1134365188\n', "malformed quotes"),
        (b"b,t3_x,,\xff,1134365188\n", "not UTF-8"),
        (b"\r\n", "blank line"),
        (b"B,t3_x,,body,1134365188\n", "malformed id"),
        (b"b,t3_x,,,1134365188\n", "no body"),
        (b"b,t3_x,,body,yesterday\n", "absurd time"),
        (b"b,,,body,1134365188\n", "no link_id"),
        (b"b,t3_x,t1_,body,1134365188\n", "malformed parent_id"),
    ]
    content = HEADER + b"".join(good % number + line for number, (line, _) in enumerate(bad)) + good % 99
    frame, letters, records = read(content)
    assert frame["id"].to_list() == [*(f"a{number}" for number in range(len(bad))), "a99"]
    assert [(letter.line, letter.reason) for letter in letters] == [
        (4 + 3 * index, reason) for index, (_, reason) in enumerate(bad)
    ]
    assert records == frame.height + len(letters)
    assert letters[0].text == "b,t3_x,,too few"
    assert frame["source_row"].to_list() == [101 + 2 * index for index in range(11)]


def test_rows_of_another_month_are_dead_letters() -> None:
    frame, letters, _ = read(csv_text([comment(), comment(id="c2", created_utc=1_136_073_600)]), month="2005-12")
    assert frame["id"].to_list() == ["c1"]
    assert [(letter.line, letter.reason, letter.detail) for letter in letters] == [(3, "wrong month", "2006-01")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"c1,t3_x,,text,1134365188\n", r"x\.csv: line 1, the header, has no column id or created_utc or link_id or body"),
        (b"id,body,created_utc\na,b,1\n", "has no column link_id"),
        (b"id,id,link_id,body,created_utc\n", "names the column id twice"),
        (b'"id"x,b\n', "line 1 is no CSV header"),
    ],
)
def test_a_header_of_no_use_is_told(content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "created",
    [TIME, float(TIME), f" {TIME} ", "2005-12-12 05:26:28 UTC", "2005-12-12T05:26:28Z", "2005-12-12 05:26:28.75+00:00"],
)
def test_times_come_as_numbers_or_dates(created: Any) -> None:
    frame, letters, _ = read(csv_text([comment(created_utc=created)]))
    assert letters == []
    assert frame["created_utc"].dt.epoch("s").to_list() == [TIME]


def test_submissions_have_exports_too() -> None:
    rows = [
        {"id": "s1", "title": "A title", "selftext": "Its text", "created_utc": TIME, "author": "ann", "subreddit": None},
        {"id": "s2", "title": "Only\na title", "selftext": "[removed]", "created_utc": TIME, "author": None, "subreddit": "s"},
    ]
    frame, letters, _ = read(csv_text(rows))
    assert letters == []
    assert frame["body"].to_list() == ["A title\n\nIts text", "Only a title"]
    assert frame["parent_kind"].to_list() == ["none", "none"]


@pytest.mark.parametrize("first", [b"plain", b'"x,"', b'"x\n"', b'"x""y"'])
def test_a_byte_order_mark_changes_nothing(first: bytes) -> None:
    content = first + b"," + HEADER + b"0,c1,t3_17863,,text,1134365188\n" * 3
    marked = read(b"\xef\xbb\xbf" + content, piece_bytes=2)
    assert (marked[0].height, marked[1:]) == (3, ([], 3))
    assert marked[0].equals(read(content)[0])


@pytest.mark.parametrize("bad", [b"c1,c2\n", b'c1,"x"y,,text,1134365188\n', b"\xff,t3_1,,text,1134365188\n\n"])
def test_records_that_are_bad_one_and_all_are_told(bad: bytes) -> None:
    frame, letters, records = read(HEADER + bad)
    assert frame.height == 0
    assert len(letters) == records == bad.count(b"\n")
