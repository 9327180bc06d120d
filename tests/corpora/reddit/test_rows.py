"""The same rows as lines of JSON, as CSV and as Parquet."""

import tempfile
from pathlib import Path
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.corpora.reddit.exports import TIME, csv_text, json_lines, parsed_all
from threadmill.corpora.reddit.comments import TOMBSTONES
from threadmill.corpora.reddit.csv_exports import csv_pieces
from threadmill.corpora.reddit.dump import Block
from threadmill.corpora.reddit.json_lines import parse_block
from threadmill.corpora.reddit.parquet_exports import parquet_pieces

texts = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
ids = st.text("0123456789abcz", min_size=1, max_size=13)
odd = st.sampled_from(["", "T3_X", "t1_", "é", "null ", "0.5", "1e3", "-1"])


@st.composite
def tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows of one table, every value a text or null: good ones and bad ones."""
    prefixed = st.tuples(st.sampled_from(["t1_", "t3_"]), ids).map("".join)
    row = st.fixed_dictionaries(
        {
            "id": st.none() | ids | odd,
            "link_id": st.none() | ids.map(lambda name: f"t3_{name}") | ids.map(lambda name: f"z{name}"[:13]) | odd,
            "parent_id": st.none() | prefixed | st.integers(0, 10**12).map(str) | st.integers(0, 99).map(lambda n: f"{n}.0"),
            "body": st.none() | texts | st.sampled_from(sorted(TOMBSTONES)),
            "title": st.none() | texts,
            "selftext": st.none() | texts,
            "created_utc": st.none() | odd | st.integers(1_119_484_700, 1_119_484_900).map(str) | st.just(f"{TIME}.5"),
            "subreddit": st.none() | texts,
            "score": st.none() | odd | st.integers(-(2**63), 2**63 - 1).map(str),
            "is_submitter": st.none() | st.sampled_from(["true", "False", "x"]),
            "archived": texts,
        }
    )
    return draw(st.lists(row, min_size=1, max_size=6))


@settings(max_examples=80, deadline=None)
@given(rows=tables(), month=st.sampled_from(["", "2005-12"]))
def test_each_row_gives_the_same_comment_or_the_same_fault_in_any_format(rows: list[dict[str, Any]], month: str) -> None:
    wanted, letters = parse_block(Block(json_lines(rows), 1, len(rows)), 0, month)
    faults = [(letter.line, letter.reason, letter.detail) for letter in letters]
    with tempfile.TemporaryDirectory() as folder:
        path = str(Path(folder) / "x.parquet")
        pl.DataFrame(rows, schema=dict.fromkeys(rows[0], pl.String)).write_parquet(path)
        of_parquet, parquet_letters, _ = parsed_all(parquet_pieces(path, 0, month))
    assert of_parquet.equals(wanted)
    assert [(letter.line, letter.reason, letter.detail) for letter in parquet_letters] == faults

    of_csv, csv_letters, count = parsed_all(csv_pieces("x.csv", [csv_text(rows)], 0, month))
    assert count == len(rows) == of_csv.height + len(csv_letters)
    plain = {row for row, values in enumerate(rows, 1) if not _ambiguous(values)}
    assert of_csv.filter(pl.col("source_row").is_in(plain)).equals(wanted.filter(pl.col("source_row").is_in(plain)))


def _ambiguous(row: dict[str, Any]) -> bool:
    """Whether CSV, which has no types, may read the row's ids in another way."""
    return any(value is not None and value.isdigit() for value in (row["link_id"], row["parent_id"]))
