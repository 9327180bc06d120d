"""Rows of monthly tables for the statements that judge them, and what is to be found in them."""

from collections.abc import Sequence
from typing import Any

TABLE_ROWS = dict.fromkeys(
    [
        "id",
        "parent_id",
        "link_id",
        "subreddit",
        "author",
        "body",
        "title",
        "selftext",
        "score",
        "created_utc",
        "is_submitter",
        "distinguished",
    ],
    "STRING",
)
JUDGED = {
    **dict.fromkeys(["id", "parent_id", "parent_kind", "thread_id", "subreddit", "author", "body"], "STRING"),
    "score": "INT64",
    "created_utc": "TIMESTAMP",
    "is_submitter": "BOOL",
    **dict.fromkeys(["distinguished", "removal", "month"], "STRING"),
    "source_row": "INT64",
    "row_number": "INT64",
    **dict.fromkeys(["fault", "given_text", "given_link_id", "given_parent_id", "given_created_utc"], "STRING"),
}

_GOOD = {
    **dict.fromkeys(TABLE_ROWS),
    "id": "c1",
    "parent_id": "t1_c0",
    "link_id": "t3_17863",
    "subreddit": "Ünï",
    "author": "it's",
    "body": "a comment",
    "score": "3",
    "created_utc": "1430438400",
}
_CHANGES: Sequence[dict[str, str | None]] = [
    *(
        {"created_utc": value}
        for value in ["1430438401.75", " 1430438402 ", "2015-05-01 00:00:03+00", "1433116800", "5", "", None]
    ),
    *(
        {"created_utc": value}
        for value in ["1119484799", "1119484800", "4102444799", "4102444800", "yesterday", "99999999999999999999"]
    ),
    *({"parent_id": value} for value in ["t3_17863", "c0", "17863", "", None, "33287847232", "33287847232.0", "0", "t1_", "é"]),
    *({"parent_id": value, "link_id": "17863"} for value in ["33287847232", "17863", "17863.0", None]),
    *({"link_id": value} for value in [None, "t3_", "../x", "t3_ABC", "abc"]),
    *({"id": value} for value in [None, "007", "C1", "t1_c1", "", "c" * 14]),
    *({"body": value} for value in [None, "", "[deleted]", "[removed]", "[ Removed by Reddit ]", "é😀\n\"'", "x" * 300]),
    *({"score": value} for value in [None, "-3", "2.9", "-2.9", "many", "9223372036854775807", "9223372036854775808"]),
    *({"is_submitter": value} for value in ["true", "False", "yes"]),
    *(
        {"body": None, "title": title, "selftext": text, "link_id": None}
        for title in ["A title", "Two\r\nlines", "[deleted by user]", "[removed]", ""]
        for text in [None, "", "Its text\nof lines", "[deleted]"]
    ),
    *({"author": author, "distinguished": "admin"} for author in [None, "é", "z", "Z", ""]),
]


def table_rows() -> list[dict[str, Any]]:
    """Drifting rows, good and bad, some of them twice."""
    return [{**_GOOD, **change} for change in [*_CHANGES, *_CHANGES[::7]]]


def judged_rows() -> list[dict[str, Any]]:
    """Rows with each fault and without."""
    faults = [None, "no id", "malformed id", "malformed link_id", "malformed parent_id", "absurd time", "wrong month", None]
    row = {**dict.fromkeys(JUDGED), "id": "é", "given_text": "é😀" * 150, "month": "2015-05", "score": 1, "parent_kind": "none"}
    given = {"given_link_id": "link", "given_parent_id": "parent", "given_created_utc": None}
    return [
        {**row, **given, "fault": fault, "source_row": 100 - number, "row_number": 50 - number}
        for number, fault in enumerate(faults)
    ]
