import gzip
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threadmill.datasets.crc32c import TABLES, masked_crc32c
from threadmill.datasets.tfrecord import decode_columns, encode_examples, parse_example, read_records, split_frames
from threadmill.errors import IntegrityError

# Written by TensorFlow 2.21: {context: "né", ids: [1, -1, 300], weights: [0.5, 1.0]} and {context: ""}.
WRITTEN_BY_TENSORFLOW = bytes.fromhex(
    "490000000000000036250ea30a470a120a07636f6e7465787412070a050a036ec3a90a180a0369647312111a0f0a0d01ffffffffffffffffff01ac02"
    "0a170a0777656967687473120c120a0a080000003f0000803fcd19e09813000000000000000c91321b0a110a0f0a07636f6e7465787412040a020a00"
    "36a1d665"
)

INT64 = st.integers(-(2**63), 2**63 - 1)
INT32 = st.integers(-(2**31), 2**31 - 1)
FLOAT32 = st.floats(width=32, allow_nan=False)
KINDS: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = [
    (pa.string(), st.text()),
    (pa.large_string(), st.text()),
    (pa.string_view(), st.text()),
    (pa.binary(), st.binary()),
    (pa.large_binary(), st.binary()),
    (pa.list_(pa.int64()), st.lists(INT64, max_size=5)),
    (pa.large_list(pa.int32()), st.lists(INT32, max_size=5)),
    (pa.list_(pa.float32()), st.lists(FLOAT32, max_size=5)),
    (pa.list_(pa.int64(), 3), st.lists(INT64, min_size=3, max_size=3)),
    (pa.list_(pa.int32(), 2), st.lists(INT32, min_size=2, max_size=2)),
    (pa.list_(pa.float32(), 1), st.lists(FLOAT32, min_size=1, max_size=1)),
]


@st.composite
def tables(draw: st.DrawFn, kinds: list[tuple[pa.DataType, st.SearchStrategy[Any]]] = KINDS) -> pa.Table:
    """Tables of any of the column types, with nulls, cut into chunks and sliced out of a longer one."""
    rows = draw(st.integers(0, 6))
    names = draw(st.lists(st.text(max_size=4), unique=True, min_size=1, max_size=4))
    columns = []
    for _ in names:
        kind, values = draw(st.sampled_from(kinds))
        columns.append(pa.array(draw(st.lists(st.none() | values, min_size=rows, max_size=rows)), kind))
    table = pa.Table.from_arrays(columns, names=names)
    first, second = sorted((draw(st.integers(0, rows)), draw(st.integers(0, rows))))
    chunked = pa.concat_tables([table.slice(0, first), table.slice(first)])
    return chunked.slice(draw(st.integers(0, first)), second)


def payloads(content: np.ndarray) -> Iterator[bytes]:
    return (content[start:end].tobytes() for start, end in split_frames(content, "here"))


def as_features(row: dict[str, Any]) -> dict[str, list[Any]]:
    """What a row should read as: no feature where it is null, text as UTF-8 bytes."""
    features: dict[str, list[Any]] = {}
    for name, value in row.items():
        if isinstance(value, list):
            features[name] = value
        elif value is not None:
            features[name] = [value.encode() if isinstance(value, str) else value]
    return features


def frame(payload: bytes) -> bytes:
    """A TFRecord frame around any bytes."""
    length = len(payload).to_bytes(8, "little")
    return length + _masked(length) + payload + _masked(payload)


def _masked(content: bytes) -> bytes:
    return int(masked_crc32c(np.frombuffer(content, np.uint8), 0, len(content), TABLES)).to_bytes(4, "little")


def field(number: int, *contents: bytes) -> bytes:
    """Length-delimited fields of a protobuf message, each of fewer than 128 bytes."""
    return b"".join(bytes([number << 3 | 2, len(content)]) + content for content in contents)


def entry(name: bytes, feature: bytes) -> bytes:
    return field(1, field(1, name) + field(2, feature))


def buffer(content: bytes) -> np.ndarray:
    return np.frombuffer(content, np.uint8)


@given(tables())
def test_what_was_encoded_is_parsed_back(table: pa.Table) -> None:
    rows = [parse_example(record) for record in payloads(encode_examples(table))]
    assert rows == [as_features(row) for row in table.to_pylist()]


@given(tables())
def test_features_lie_sorted_by_the_bytes_of_their_names(table: pa.Table) -> None:
    for record in payloads(encode_examples(table)):
        names = [name.encode() for name in parse_example(record)]
        assert names == sorted(names)


@given(tables(KINDS[:5]), st.text(max_size=4))
def test_text_and_bytes_are_decoded_to_columns(table: pa.Table, other: str) -> None:
    names = [*table.column_names, *({other} - set(table.column_names))]
    decoded = decode_columns(encode_examples(table), names)
    assert decoded.schema == pa.schema([(name, pa.large_binary()) for name in names])
    rows = [as_features(row) for row in table.to_pylist()]
    assert decoded.to_pylist() == [{name: row.get(name, [None])[0] for name in names} for row in rows]


@given(tables())
def test_equal_rows_give_equal_bytes_however_they_lie(table: pa.Table) -> None:
    turned = table.select(table.column_names[::-1]).combine_chunks()
    assert encode_examples(turned).tobytes() == encode_examples(table).tobytes()


def test_the_bytes_are_those_that_tensorflow_writes() -> None:
    table = pa.table(
        {
            "weights": pa.array([[0.5, 1.0], None], pa.list_(pa.float32())),
            "ids": pa.array([[1, -1, 300], None], pa.list_(pa.int64())),
            "context": ["né", ""],
        }
    )
    assert encode_examples(table).tobytes() == WRITTEN_BY_TENSORFLOW


def test_not_a_number_and_infinity_are_kept() -> None:
    table = pa.table({"x": pa.array([[math.nan, math.inf, -math.inf, -0.0]], pa.list_(pa.float32()))})
    (values,) = (parse_example(record)["x"] for record in payloads(encode_examples(table)))
    assert math.isnan(values[0])
    assert values[1:3] == [math.inf, -math.inf]
    assert math.copysign(1, values[3]) == -1


def test_the_widest_integers_are_kept_beside_lists_that_are_null() -> None:
    table = pa.table({"ids": pa.array([[2**63 - 1, -(2**63)], None, [2**53 + 1, 0]], pa.list_(pa.int64(), 2))})
    rows = [parse_example(record) for record in payloads(encode_examples(table))]
    assert rows == [{"ids": [2**63 - 1, -(2**63)]}, {}, {"ids": [2**53 + 1, 0]}]


@pytest.mark.parametrize("kind", [kind for kind, _ in KINDS])
def test_no_rows_are_no_bytes(kind: pa.DataType) -> None:
    assert len(encode_examples(pa.table({"a": pa.array([], kind)}))) == 0
    assert len(encode_examples(pa.table({"a": pa.chunked_array([], kind)}))) == 0
    assert decode_columns(buffer(b""), ["a"]).num_rows == 0


@pytest.mark.parametrize(
    "column",
    [
        pa.array([1, 2]),
        pa.array([1.5, 2.5]),
        pa.array([["a"], []]),
        pa.array([[0.5], []], pa.list_(pa.float64())),
        pa.array([[1], []], pa.list_(pa.uint64())),
        pa.array([[[1]], []]),
        pa.array([True, False]),
        pa.nulls(2),
    ],
    ids=lambda column: str(column.type),
)
def test_a_column_that_no_feature_can_hold_is_refused(column: pa.Array) -> None:
    with pytest.raises(TypeError, match=r"has no tf\.train\.Feature; use"):
        encode_examples(pa.table({"a": column}))


@pytest.mark.parametrize(
    "kind", [pa.list_(pa.int64()), pa.large_list(pa.int32()), pa.list_(pa.float32()), pa.list_(pa.int64(), 2)], ids=str
)
def test_null_within_a_list_is_refused(kind: pa.DataType) -> None:
    with pytest.raises(ValueError, match="a list holds null"):
        encode_examples(pa.table({"a": pa.array([[1, None], [2, 3]], kind)}))
    assert len(encode_examples(pa.table({"a": pa.array([[1, None], [2, 3]], kind)}).slice(1))) > 0


class TestDamage:
    record = encode_examples(pa.table({"context": ["hello"], "ids": pa.array([[1, 300]], pa.list_(pa.int64()))})).tobytes()

    def test_every_truncation_is_told(self) -> None:
        for length in range(1, len(self.record)):
            with pytest.raises(IntegrityError, match="record 0 at byte 0 is damaged or cut off"):
                decode_columns(buffer(self.record[:length]), ["context"])

    def test_every_flip_of_a_bit_is_told(self) -> None:
        for place in range(len(self.record)):
            for bit in range(8):
                damaged = bytearray(self.record)
                damaged[place] ^= 1 << bit
                with pytest.raises(IntegrityError):
                    decode_columns(buffer(bytes(damaged)), ["context"])

    def test_bytes_after_the_last_record_are_told(self) -> None:
        with pytest.raises(IntegrityError, match=f"record 1 at byte {len(self.record)} "):
            decode_columns(buffer(self.record + b"\0"), ["context"])

    def test_the_file_and_the_place_are_named(self, tmp_path: Path) -> None:
        path = tmp_path / "train-00000-of-00001.tfrecord"
        damaged = bytearray(self.record * 3)
        damaged[2 * len(self.record) + 20] ^= 1
        path.write_bytes(damaged)
        with pytest.raises(IntegrityError) as raised:
            list(read_records(str(path)))
        assert (
            str(raised.value) == f"{path}: record 2 at byte {2 * len(self.record)} is damaged or cut off; make its dataset again"
        )

    def test_whole_records_are_read_from_a_file(self, tmp_path: Path) -> None:
        path = tmp_path / "train-00000-of-00001.tfrecord"
        path.write_bytes(self.record * 3)
        records = list(read_records(str(path)))
        assert [parse_example(record) for record in records] == [{"context": [b"hello"], "ids": [1, 300]}] * 3

    def test_compressed_records_are_read_and_their_damage_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "train-00000-of-00001.tfrecord.gz"
        path.write_bytes(gzip.compress(self.record * 3))
        assert len(list(read_records(str(path)))) == 3
        whole = path.read_bytes()
        for content in (whole[:-9], b"no gzip at all", whole[:12] + b"\xff" * 20):
            path.write_bytes(content)
            with pytest.raises(IntegrityError, match="is damaged or cut off"):
                list(read_records(str(path)))

    def test_every_truncation_of_a_file_is_told(self, tmp_path: Path) -> None:
        path = tmp_path / "train-00000-of-00001.tfrecord"
        for length in range(1, len(self.record)):
            path.write_bytes(self.record + self.record[:length])
            with pytest.raises(IntegrityError, match=f"record 1 at byte {len(self.record)} "):
                list(read_records(str(path)))


class TestRecordsOfOthers:
    """Valid records that we would not write."""

    def test_features_in_any_order_and_lists_of_several_values_are_read(self) -> None:
        several = entry(b"context", field(1, field(1, b"first", b"second")))
        record = field(1, entry(b"response", field(1, field(1, b"yes"))) + several)
        assert parse_example(record) == {"response": [b"yes"], "context": [b"first", b"second"]}
        decoded = decode_columns(buffer(frame(record)), ["context", "response"])
        assert decoded.to_pylist() == [{"context": b"first", "response": b"yes"}]

    @pytest.mark.parametrize(
        "feature",
        [b"", field(1, b""), field(3, field(1, b"\x01\x02")), field(2, field(1, b"\0\0\x80\x3f"))],
        ids=["no kind", "no bytes", "integers", "floats"],
    )
    def test_a_feature_without_bytes_is_null(self, feature: bytes) -> None:
        record = field(1, entry(b"context", feature) + entry(b"response", field(1, field(1, b"yes"))))
        decoded = decode_columns(buffer(frame(record)), ["context", "response"])
        assert decoded.to_pylist() == [{"context": None, "response": b"yes"}]

    def test_an_empty_record_has_no_features(self) -> None:
        assert parse_example(b"") == {}
        assert decode_columns(buffer(frame(b"")), ["context"]).to_pylist() == [{"context": None}]

    @given(st.binary(max_size=60))
    def test_no_bytes_bring_the_readers_down(self, payload: bytes) -> None:
        try:
            parse_example(payload)
        except IntegrityError as error:
            assert "record is of another format" in str(error)  # noqa: PT017
        assert decode_columns(buffer(frame(payload)), ["context", ""]).num_rows == 1

    @given(tables(), st.data())
    @settings(max_examples=50)
    def test_a_cut_record_is_no_example(self, table: pa.Table, data: st.DataObject) -> None:
        for record in payloads(encode_examples(table)):
            cut = data.draw(st.integers(0, len(record)))
            if 0 < cut < len(record):
                with pytest.raises(IntegrityError):
                    parse_example(record[:cut])


@pytest.mark.slow
def test_tensorflow_reads_the_same_values(tmp_path: Path) -> None:
    import tensorflow as tf

    rng = np.random.default_rng(5)
    texts = ["", "plain", "naïve – 会話 🎈", None, "a" * 70_000]
    table = pa.table(
        {
            "text": pa.array([texts[index % 5] for index in range(50)], pa.large_string()),
            "ids": pa.FixedSizeListArray.from_arrays(pa.array(rng.integers(-(2**63), 2**63 - 1, 50 * 7)), 7),
            "short": pa.array([[int(n)] * (n % 4) for n in range(50)], pa.list_(pa.int32())),
            "weights": pa.FixedSizeListArray.from_arrays(pa.array(rng.standard_normal(150).astype(np.float32)), 3),
        }
    )
    path = tmp_path / "train-00000-of-00001.tfrecord"
    path.write_bytes(encode_examples(table))
    spec = {
        "text": tf.io.FixedLenFeature([], tf.string, default_value="<absent>"),
        "ids": tf.io.FixedLenFeature([7], tf.int64),
        "short": tf.io.RaggedFeature(tf.int64),
        "weights": tf.io.FixedLenFeature([3], tf.float32),
    }
    records = list(tf.data.TFRecordDataset(str(path)).as_numpy_iterator())
    parsed = tf.io.parse_example(records, spec)
    assert [text.decode() for text in parsed["text"].numpy()] == [
        "<absent>" if t is None else t for t in table["text"].to_pylist()
    ]
    assert parsed["ids"].numpy().tolist() == table["ids"].to_pylist()
    assert parsed["short"].to_list() == table["short"].to_pylist()
    assert parsed["weights"].numpy().tolist() == table["weights"].to_pylist()
    assert records == list(read_records(str(path)))
    for record, row in zip(records, table.to_pylist(), strict=True):
        assert tf.train.Example.FromString(record).SerializeToString(deterministic=True) == record
        assert parse_example(record) == as_features(row)


@pytest.mark.slow
def test_what_tensorflow_wrote_is_read(tmp_path: Path) -> None:
    import tensorflow as tf

    path = tmp_path / "theirs.tfrecord"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for number in range(20):
            features = {
                "text": tf.train.Feature(bytes_list=tf.train.BytesList(value=[f"text {number}".encode(), b"second"])),
                "ids": tf.train.Feature(int64_list=tf.train.Int64List(value=range(-number, 0))),
            }
            writer.write(tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString())
    content = buffer(path.read_bytes())
    assert decode_columns(content, ["text"])["text"].to_pylist() == [f"text {number}".encode() for number in range(20)]
    assert [parse_example(record)["ids"] for record in payloads(content)] == [list(range(-number, 0)) for number in range(20)]
