import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.corpora.reddit.exports import TIME, comment, json_lines, parsed_all
from threadmill.corpora.reddit import parquet_exports
from threadmill.corpora.reddit.comments import DeadLetter
from threadmill.corpora.reddit.dump import Block
from threadmill.corpora.reddit.json_lines import parse_block
from threadmill.corpora.reddit.parquet_exports import parquet_pieces
from threadmill.errors import InputError


def read(path: Path, frame: pl.DataFrame, month: str = "") -> tuple[pl.DataFrame, list[DeadLetter], int]:
    frame.write_parquet(path)
    return parsed_all(parquet_pieces(str(path), 100, month))


def test_rows_are_those_of_the_same_rows_as_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_exports, "_BATCH_ROWS", 2)
    rows = [
        comment(),
        comment(id="007", author=None, score=None, distinguished="admin"),
        comment(id="c3", parent_id=None, body="[removed]"),
        comment(id="c4", parent_id="t3_17863", body=""),
        comment(id="c5", body="é"),
    ]
    wanted, _ = parse_block(Block(json_lines(rows), 1, len(rows)), 100)
    frame, letters, count = read(tmp_path / "x.parquet", pl.DataFrame(rows))
    assert (letters, count) == ([], 5)
    assert frame.equals(wanted)


@pytest.mark.parametrize(
    "created",
    [
        TIME,
        float(TIME) + 0.5,
        str(TIME),
        datetime.datetime.fromtimestamp(TIME, datetime.UTC),
        datetime.datetime.fromtimestamp(TIME, datetime.UTC).replace(tzinfo=None),
    ],
)
def test_times_come_in_any_type(tmp_path: Path, created: Any) -> None:
    frame, letters, _ = read(tmp_path / "x.parquet", pl.DataFrame([comment(created_utc=created)]))
    assert letters == []
    assert frame["created_utc"].dt.epoch("s").to_list() == [TIME]


def test_parents_that_are_numbers_are_in_base_10(tmp_path: Path) -> None:
    rows = [comment(parent_id=int("c0abc12", 36)), comment(parent_id=int("17863", 36)), comment(parent_id=None)]
    frame, letters, _ = read(tmp_path / "x.parquet", pl.DataFrame(rows))
    assert letters == []
    assert frame.select("parent_id", "parent_kind").rows() == [
        ("c0abc12", "comment"),
        ("17863", "submission"),
        ("17863", "submission"),
    ]


def test_bad_rows_are_dead_letters_with_their_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_exports, "_BATCH_ROWS", 2)
    rows = [comment(), comment(id=None), comment(), comment(created_utc=1_136_073_600), comment(body=None)]
    frame, letters, count = read(tmp_path / "x.parquet", pl.DataFrame(rows), "2005-12")
    assert [(letter.line, letter.reason, letter.detail) for letter in letters] == [
        (2, "no id", ""),
        (4, "wrong month", "2006-01"),
        (5, "no body", ""),
    ]
    assert "'link_id': 't3_17863'" in letters[0].text
    assert frame["source_row"].to_list() == [101, 103]
    assert count == 5


def test_a_damaged_file_or_one_without_the_columns_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    with pytest.raises(InputError, match=r"x\.parquet has no column link_id \(it has id, body, created_utc\)"):
        read(path, pl.DataFrame([{"id": "a", "body": "b", "created_utc": TIME}]))
    with pytest.raises(InputError, match=r"column body is of type .*list"):
        read(path, pl.DataFrame([comment(body=["a"])]))
    pl.DataFrame([comment(id=f"c{number}") for number in range(100)]).write_parquet(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"x\.parquet: truncated or corrupt Parquet"):
        list(parquet_pieces(str(path), 0, ""))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())])
def test_rows_with_a_text_that_is_no_utf8_are_dead_letters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: pa.DataType
) -> None:
    monkeypatch.setattr(parquet_exports, "_BATCH_ROWS", 3)
    table = pl.DataFrame([comment(id=name) for name in "abcde"]).to_arrow(compat_level=pl.CompatLevel.oldest())
    bodies = pa.array([b"a text", b"\xff no text of UTF-8", None, b"\xed\xa0\x80", "é".encode()], pa.binary())
    texts = pa.Array.from_buffers(pa.string(), 5, bodies.buffers())
    column = texts.dictionary_encode() if pa.types.is_dictionary(kind) else texts.cast(kind)
    pq.write_table(table.set_column(table.schema.get_field_index("body"), "body", column), tmp_path / "x.parquet")
    frame, letters, count = parsed_all(parquet_pieces(str(tmp_path / "x.parquet"), 100, ""))
    assert frame.select("id", "body", "source_row").rows() == [("a", "a text", 101), ("e", "é", 105)]
    assert [(letter.line, letter.reason, letter.detail) for letter in letters] == [
        (2, "not UTF-8", "body"),
        (3, "no body", ""),
        (4, "not UTF-8", "body"),
    ]
    assert letters[0].text == "\ufffd no text of UTF-8"
    assert count == 5


@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.binary(1), pa.binary_view()])
def test_bytes_are_refused_for_texts(tmp_path: Path, kind: pa.DataType) -> None:
    table = pl.DataFrame([comment()]).to_arrow(compat_level=pl.CompatLevel.oldest())
    column = pa.array([b"x"], pa.binary()).cast(kind)
    pq.write_table(table.set_column(table.schema.get_field_index("body"), "body", column), tmp_path / "x.parquet")
    with pytest.raises(InputError, match=r"column body is of type .*binary.*; export it as text or number"):
        list(parquet_pieces(str(tmp_path / "x.parquet"), 0, ""))
