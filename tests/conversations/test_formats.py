import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conversations.worlds import read_shard
from threadmill.conversations.config import FORMATS
from threadmill.conversations.formats import ENCODINGS, encode, open_shard
from threadmill.conversations.reading import DECODERS, read_examples
from threadmill.errors import ConfigError, InputError, IntegrityError

COLUMNS = ["context", "context/0", "context/1", "response", "thread_id"]
SAME_KEYS = ["tfrecord", "jsonl", "parquet"]  # a record is an example, feature for feature

texts = st.text(st.characters(exclude_categories=("Cs",)))
rows_of_texts = st.lists(
    st.tuples(texts, st.none() | texts, st.none() | texts, texts, st.none() | texts).map(
        lambda row: row if row[1] is not None else (row[0], None, None, *row[3:])  # no turn without the one after it
    ),
    max_size=8,
)


def frame(rows: Sequence[tuple[str | None, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")


def shard(*pieces: Sequence[tuple[str | None, ...]], format: str) -> bytes:
    stream = io.BytesIO()
    with open_shard(stream, format, COLUMNS) as writer:
        for rows in pieces:
            writer.write(encode(frame(rows), format))
    return stream.getvalue()


def written(folder: Path, *pieces: Sequence[tuple[str | None, ...]], format: str) -> Path:
    path = folder / f"train-00000-of-00001.{format}"
    path.write_bytes(shard(*pieces, format=format))
    return path


def as_examples(rows: Sequence[tuple[str | None, ...]]) -> list[dict[str, str]]:
    return [{name: text for name, text in zip(COLUMNS, row, strict=True) if text is not None} for row in rows]


def test_all_formats_that_can_be_asked_for_are_written_and_read() -> None:
    assert FORMATS == tuple(ENCODINGS) == tuple(DECODERS)


@settings(max_examples=50)
@given(rows_of_texts, st.integers(0, 8))
def test_each_format_gives_the_examples_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str | None, ...]], cut: int
) -> None:
    for format in FORMATS:
        path = written(tmp_path_factory.mktemp("format"), rows[:cut], rows[cut:], format=format)
        assert read_examples(str(path), COLUMNS).rows() == rows
        if format in SAME_KEYS:
            assert read_shard(path) == as_examples(rows)


@settings(max_examples=50)
@given(rows_of_texts)
def test_json_lines_are_one_object_a_line_without_absent_features(rows: list[tuple[str | None, ...]]) -> None:
    lines = shard(rows, format="jsonl").decode().split("\n")
    assert [json.loads(line) for line in lines[:-1]] == as_examples(rows)
    assert lines[-1] == ""


def test_text_that_looks_like_an_absent_feature_stays(tmp_path: Path) -> None:
    rows = [('{"a":null,"b":null}', ',"context/0":null', None, '":null', '\\":null'), ("null", None, None, '\\\\":null,', None)]
    assert read_shard(written(tmp_path, rows, format="jsonl")) == as_examples(rows)
    assert read_examples(str(written(tmp_path, rows, format="parlai")), COLUMNS).rows() == rows


@pytest.mark.parametrize("format", FORMATS)
def test_features_can_be_picked_and_missing_ones_are_null(tmp_path: Path, format: str) -> None:
    path = written(tmp_path, [("c", None, None, "r", "t")], format=format)
    found = read_examples(str(path), ["response", "context/8", "subreddit", "context/0"])
    assert found.schema == dict.fromkeys(["response", "context/8", "subreddit", "context/0"], pl.String)
    assert found.rows() == [("r", None, None, None)]
    assert read_examples(str(path), ["subreddit"]).rows() == [(None,)]


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("pieces", [(), ([],)], ids=["no piece", "an empty piece"])
def test_an_empty_shard_has_no_examples_but_its_columns(tmp_path: Path, format: str, pieces: Any) -> None:
    found = read_examples(str(written(tmp_path, *pieces, format=format)), COLUMNS)
    assert found.schema == dict.fromkeys(COLUMNS, pl.String)
    assert found.height == 0


@pytest.mark.parametrize("format", FORMATS)
def test_a_damaged_shard_is_told(tmp_path: Path, format: str) -> None:
    path = written(tmp_path, [("a context", None, None, "a response", "t")] * 3, format=format)
    content = bytearray(path.read_bytes())
    content[20] ^= 0x80
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=rf"train-00000-of-00001\.{format}"):
        read_examples(str(path), COLUMNS)


@pytest.mark.parametrize("format", FORMATS)
def test_a_shard_that_was_cut_is_told(tmp_path: Path, format: str) -> None:
    path = written(tmp_path, [("a context", None, None, "a response", "t")], format=format)
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(IntegrityError, match=rf"train-00000-of-00001\.{format}"):
        read_examples(str(path), COLUMNS)


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="format is 'csv'; use one of tfrecord, jsonl, parquet, parlai"):
        encode(frame([]), "csv")
    with pytest.raises(InputError, match=r"none of \.tfrecord, \.jsonl, \.parquet, \.parlai"):
        read_examples(str(tmp_path / "train-00000-of-00001.csv"), COLUMNS)


def test_parquet_has_a_row_group_a_piece_and_plain_strings(tmp_path: Path) -> None:
    rows = [("c", None, None, "r", "t")]
    file = pq.ParquetFile(written(tmp_path, rows * 3, [], rows * 2, format="parquet"))
    assert [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)] == [3, 2]
    assert {str(field.type) for field in file.schema_arrow} == {"string"}


def test_parquet_does_not_depend_on_how_a_frame_lies_in_memory() -> None:
    rows = [(f"c{number}", None, None, "r", "t") for number in range(100)]
    stream = io.BytesIO()
    with open_shard(stream, "parquet", COLUMNS) as writer:
        writer.write(encode(pl.concat([frame(rows[:7]), frame(rows[7:])], rechunk=False), "parquet"))
    assert stream.getvalue() == shard(rows, format="parquet")
