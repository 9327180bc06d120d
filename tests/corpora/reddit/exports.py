"""Comments and submissions as rows, and the same rows as lines of JSON, CSV and Parquet."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from threadmill.corpora.reddit.comments import DeadLetter, Parsed

TIME = 1_134_365_188
COMMENT = {
    "body": "a comment",
    "score_hidden": False,
    "name": "t1_c1",
    "author": "ann",
    "author_flair_text": None,
    "created_utc": TIME,
    "subreddit_id": "t5_6",
    "link_id": "t3_17863",
    "parent_id": "t1_c0",
    "score": 3,
    "id": "c1",
    "subreddit": "reddit.com",
    "distinguished": None,
}


def comment(**changed: Any) -> dict[str, Any]:
    return {**COMMENT, **changed}


def json_lines(rows: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def csv_text(rows: Sequence[Mapping[str, Any]], newline: str = "\n") -> bytes:
    """With all values in quotes, and nulls as nothing."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [",".join(names), *(",".join(_quoted(row.get(name)) for name in names) for row in rows)]
    return "".join(line + newline for line in lines).encode()


def _quoted(value: Any) -> str:
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return "" if value is None else '"' + text.replace('"', '""') + '"'


def parsed_all(pieces: Iterable[Callable[[], Parsed]]) -> tuple[pl.DataFrame, list[DeadLetter], int]:
    parsed = [piece() for piece in pieces]
    letters = [letter for part in parsed for letter in part.letters]
    return pl.concat([part.comments for part in parsed]), letters, sum(part.lines for part in parsed)
