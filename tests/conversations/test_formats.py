import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conversations.worlds import read_shard
from threadmill.conversations.formats import ENCODERS, encode
from threadmill.conversations.reading import read_examples
from threadmill.errors import ConfigError, InputError, IntegrityError

COLUMNS = ["context", "context/0", "response", "thread_id"]
texts = st.none() | st.text(st.characters(exclude_categories=("Cs",)))


def frame(rows: list[tuple[str | None, ...]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=dict.fromkeys(COLUMNS, pl.String), orient="row")


@settings(max_examples=50)
@given(st.lists(st.tuples(*[texts] * len(COLUMNS)), max_size=8))
def test_each_format_gives_the_examples_back(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str | None, ...]]
) -> None:
    expected = [{name: text for name, text in zip(COLUMNS, row, strict=True) if text is not None} for row in rows]
    for format in ENCODERS:
        path = tmp_path_factory.mktemp("format") / f"train-00000-of-00001.{format}"
        path.write_bytes(encode(frame(rows), format))
        assert read_shard(path) == expected
        assert read_examples(str(path), COLUMNS).rows() == rows


def test_json_lines_are_one_object_a_line_without_absent_features(tmp_path: Path) -> None:
    content = bytes(encode(frame([("a\nb\u2028c", None, "", "t")]), "jsonl")).decode()
    assert content.count("\n") == 1
    assert json.loads(content) == {"context": "a\nb\u2028c", "response": "", "thread_id": "t"}


def test_pieces_of_a_shard_follow_each_other(tmp_path: Path) -> None:
    for format in ENCODERS:
        path = tmp_path / f"train-00000-of-00001.{format}"
        path.write_bytes(b"".join(encode(frame([(text, None, text, "t")]), format) for text in ("one", "two")))
        assert read_examples(str(path), ["response"])["response"].to_list() == ["one", "two"]


@pytest.mark.parametrize("format", list(ENCODERS))
def test_features_can_be_picked_and_missing_ones_are_null(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"train-00000-of-00001.{format}"
    path.write_bytes(encode(frame([("c", None, "r", "t")]), format))
    found = read_examples(str(path), ["response", "context/8", "context/0"])
    assert found.schema == dict.fromkeys(["response", "context/8", "context/0"], pl.String)
    assert found.rows() == [("r", None, None)]


@pytest.mark.parametrize("format", list(ENCODERS))
def test_an_empty_shard_has_no_examples_but_its_columns(tmp_path: Path, format: str) -> None:
    path = tmp_path / f"test-00000-of-00001.{format}"
    path.touch()
    found = read_examples(str(path), COLUMNS)
    assert found.schema == dict.fromkeys(COLUMNS, pl.String)
    assert found.height == 0


def test_a_damaged_shard_is_told(tmp_path: Path) -> None:
    path = tmp_path / "train-00000-of-00001.tfrecord"
    content = bytearray(encode(frame([("a context", None, "a response", "t")]), "tfrecord"))
    content[20] ^= 1
    path.write_bytes(content)
    with pytest.raises(IntegrityError, match=r"train-00000-of-00001\.tfrecord"):
        read_examples(str(path), COLUMNS)


def test_a_broken_line_of_json_is_told(tmp_path: Path) -> None:
    path = tmp_path / "train-00000-of-00001.jsonl"
    path.write_bytes(encode(frame([("a context", None, "a response", "t")]), "jsonl")[:-4])
    with pytest.raises(IntegrityError, match=r"train-00000-of-00001\.jsonl"):
        read_examples(str(path), COLUMNS)


def test_other_formats_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="format is 'csv'; use one of tfrecord, jsonl"):
        encode(frame([]), "csv")
    with pytest.raises(InputError, match=r"neither \.tfrecord nor \.jsonl"):
        read_examples(str(tmp_path / "train-00000-of-00001.parquet"), COLUMNS)
