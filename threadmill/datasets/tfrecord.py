"""TFRecord files of tf.train.Example, written and read as Arrow tables without TensorFlow.

Formats: the TFRecord frame (length, its CRC, payload, its CRC; tensorflow/core/lib/io/record_writer.h) and
tf.train.Example (tensorflow/core/example/example.proto, feature.proto). Examples are serialised as protobuf does it
deterministically, features sorted by name, so that equal rows give equal bytes.
"""

import gzip
import zlib
from collections.abc import Iterator, Sequence
from typing import IO, Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from threadmill.datasets import storage
from threadmill.datasets.crc32c import TABLES, masked_crc32c
from threadmill.datasets.example_kernels import (
    BYTES,
    FLOAT,
    INT64,
    copy_slices,
    count_frames,
    frame_bounds,
    locate_bytes_features,
    record_sizes,
    write_records,
)
from threadmill.errors import IntegrityError

Buffer = npt.NDArray[np.uint8]

_FRAME_HEAD, _FRAME_OVERHEAD = 12, 16
_LONGEST = 1 << 31  # a protobuf message is shorter
_GZIP_SUFFIX = ".gz"


def encode_examples(table: pa.Table) -> Buffer:
    """All rows of a table as framed tf.train.Example records.

    Args:
        table: columns of string or binary (bytes_list of one value; null leaves the feature out), or of list or
            fixed-size list of integers (int64_list) or float32 (float_list), packed.

    Returns:
        uint8[n]: the content of a TFRecord file with ``table.num_rows`` records.

    Raises:
        TypeError: a column of another type.
        ValueError: a list with null among its values, which a feature cannot hold.
    """
    names = sorted(table.column_names, key=str.encode)
    columns = [_Column(table[name]) for name in names]
    keys, key_offsets = _concatenate([np.frombuffer(name.encode(), np.uint8) for name in names])
    kinds = np.array([column.kind for column in columns], np.int8)
    offsets = np.stack([column.offsets for column in columns]) if columns else np.zeros((0, table.num_rows + 1), np.int64)
    present = np.stack([column.present for column in columns]) if columns else np.zeros((0, table.num_rows), np.bool_)
    pools = []
    for kind, dtype in ((BYTES, np.uint8), (INT64, np.int64), (FLOAT, np.float32)):
        values, bases = _concatenate([column.values for column in columns if column.kind == kind], dtype)
        offsets[kinds == kind] += bases[:-1, None]
        pools.append(values)
    sizes = record_sizes(kinds, np.diff(key_offsets), offsets, present, pools[1])
    ends = np.cumsum(sizes[:, 0] + _FRAME_OVERHEAD)
    output = np.empty(int(ends[-1]) if len(ends) else 0, np.uint8)
    write_records(kinds, keys, key_offsets, offsets, present, pools[0], pools[1], pools[2], sizes, output, TABLES)
    return output


class _Column:
    """One column as flat values and int64 offsets, the same for all types."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
        if isinstance(array, pa.ChunkedArray):  # combine_chunks keeps several where offsets would overflow
            array = pa.concat_arrays(array.cast(_large(array.type)).chunks)
        self.present = np.asarray(array.is_valid())
        if pa.types.is_fixed_size_list(array.type):
            self._from_fixed(array)
        elif pa.types.is_list(array.type) or pa.types.is_large_list(array.type):
            self._from_list(array)
        else:
            self._from_binary(array)

    def _from_binary(self, array: pa.Array) -> None:
        array = array.cast(_large(array.type))
        self.kind = BYTES
        offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
        data = array.buffers()[2]
        values = np.frombuffer(data, np.uint8) if data is not None else np.zeros(0, np.uint8)
        self._rebase(values, offsets)

    def _from_list(self, array: pa.Array) -> None:
        self._take_values(array)
        self._rebase(self.values, np.asarray(array.offsets).astype(np.int64))

    def _from_fixed(self, array: pa.Array) -> None:
        width = array.type.list_size
        self._take_values(array)
        self._rebase(self.values, (np.arange(len(array) + 1, dtype=np.int64) + array.offset) * width)

    def _take_values(self, array: pa.Array) -> None:
        values = array.values
        if pa.types.is_integer(values.type) and not pa.types.is_uint64(values.type):
            self.kind, dtype = INT64, np.int64
        elif pa.types.is_float32(values.type):
            self.kind, dtype = FLOAT, np.float32  # type: ignore[assignment]
        else:
            raise TypeError(f"a list of {values.type} has no tf.train.Feature; use int32, int64 or float32")
        if values.null_count:  # harmless below a list that is null itself
            if array.flatten().null_count:
                raise ValueError("a list holds null, which a tf.train.Feature cannot; fill it or leave it out")
            values = values.fill_null(0)
        self.values: npt.NDArray[Any] = np.asarray(values).astype(dtype, copy=False)

    def _rebase(self, values: npt.NDArray[Any], offsets: npt.NDArray[np.int64]) -> None:
        self.values = values[offsets[0] : offsets[-1]]
        self.offsets = offsets - offsets[0]


def _large(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return pa.large_string()
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_binary_view(kind):
        return pa.large_binary()
    if pa.types.is_list(kind):
        return pa.large_list(kind.value_type)
    raise TypeError(f"a column of {kind} has no tf.train.Feature; use string, binary or a list of numbers")


def _concatenate(parts: Sequence[npt.NDArray[Any]], dtype: Any = np.uint8) -> tuple[npt.NDArray[Any], npt.NDArray[np.int64]]:
    """The parts end to end, and where each begins (len(parts) + 1 offsets)."""
    offsets = np.zeros(len(parts) + 1, np.int64)
    np.cumsum([len(part) for part in parts], out=offsets[1:])
    return (np.concatenate(parts) if parts else np.zeros(0, dtype)), offsets


def split_frames(buffer: Buffer, where: str) -> npt.NDArray[np.int64]:
    """The bounds (n x 2, start and end) of the payloads in a TFRecord file's content, every CRC checked.

    Raises:
        IntegrityError: a damaged or truncated frame, with its place.
    """
    count, bad = count_frames(buffer, TABLES)
    if bad >= 0:
        raise _damaged(where, count, bad)
    bounds: npt.NDArray[np.int64] = frame_bounds(buffer, count)
    return bounds


def select_records(buffer: Buffer, kept: npt.NDArray[np.bool_], where: str) -> Buffer:
    """The frames of a TFRecord file's content for which ``kept`` (bool[n], one a record) holds, byte for byte.

    Raises:
        IntegrityError: see `split_frames`.
    """
    bounds = split_frames(buffer, where)[kept]
    offsets = np.zeros(len(bounds) + 1, np.int64)
    np.cumsum(bounds[:, 1] - bounds[:, 0] + _FRAME_OVERHEAD, out=offsets[1:])
    output = np.empty(int(offsets[-1]), np.uint8)
    copy_slices(buffer, bounds[:, 0] - _FRAME_HEAD, offsets, output)
    return output


def read_buffer(uri: str) -> Buffer:
    """A file's content as uint8[n]."""
    return np.frombuffer(storage.read_bytes(uri), np.uint8)


def read_records(uri: str) -> Iterator[bytes]:
    """The payloads of a TFRecord file, in order, every CRC checked; reads no further than it is asked to.

    Args:
        uri: of a file; one whose name ends in .gz is unpacked.

    Raises:
        IntegrityError: see `split_frames`.
    """
    position, count = 0, 0
    with storage.open_read(uri) as raw, _unpacked(raw, uri) as stream:
        while frame := _read_frame(stream, uri, count, position):
            yield frame[_FRAME_HEAD:-4]
            position += len(frame)
            count += 1


def _unpacked(stream: IO[bytes], uri: str) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile(fileobj=stream)) if uri.endswith(_GZIP_SUFFIX) else stream


def _read_frame(stream: IO[bytes], uri: str, count: int, position: int) -> bytes:
    """The next frame, or nothing at the end."""
    try:
        head = stream.read(_FRAME_HEAD)
        length = int.from_bytes(head[:8], "little")
        frame = head + stream.read(length + 4) if begins_record(head) and length < _LONGEST else head
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise _damaged(uri, count, position) from None
    if head and count_frames(np.frombuffer(frame, np.uint8), TABLES) != (1, -1):
        raise _damaged(uri, count, position)
    return frame


def begins_record(head: bytes) -> bool:
    """True where the length's CRC fits, so that so many bytes can be asked for."""
    data = np.frombuffer(head, np.uint8)
    return len(head) == _FRAME_HEAD and masked_crc32c(data, 0, 8, TABLES) == int.from_bytes(head[8:], "little")


def _damaged(where: str, count: int, position: int) -> IntegrityError:
    return IntegrityError(f"{where}: record {count} at byte {position} is damaged or cut off; make its dataset again")


def decode_columns(buffer: Buffer, names: Sequence[str], where: str = "buffer") -> pa.Table:
    """The bytes features ``names`` of all records, as columns.

    Args:
        buffer: the content of a TFRecord file.
        names: features of type bytes_list; the first value is taken.
        where: the file, for errors.

    Returns:
        A table with a large_binary column a name, null where a record lacks the feature.

    Raises:
        IntegrityError: see `split_frames`.
    """
    bounds = split_frames(buffer, where)
    keys, key_offsets = _concatenate([np.frombuffer(name.encode(), np.uint8) for name in names])
    starts, lengths = locate_bytes_features(buffer, bounds, keys, key_offsets)
    columns = [_gather(buffer, starts[index], lengths[index]) for index in range(len(names))]
    return pa.table(columns, names=list(names))


def _gather(buffer: Buffer, starts: npt.NDArray[np.int64], lengths: npt.NDArray[np.int64]) -> pa.Array:
    valid = lengths >= 0
    kept = np.where(valid, lengths, 0)
    offsets = np.zeros(len(kept) + 1, np.int64)
    np.cumsum(kept, out=offsets[1:])
    content = np.empty(int(offsets[-1]), np.uint8)
    copy_slices(buffer, starts, offsets, content)
    mask = None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little"))
    buffers = [mask, pa.py_buffer(offsets), pa.py_buffer(content)]
    return pa.LargeBinaryArray.from_buffers(pa.large_binary(), len(kept), buffers)


def parse_example(record: bytes) -> dict[str, list[Any]]:
    """One serialised tf.train.Example as feature name -> values (bytes, int or float). For looking, not for speed.

    Raises:
        IntegrityError: the bytes are no tf.train.Example.
    """
    features: dict[str, list[Any]] = {}
    try:
        for _, field in _fields(record):
            for _, entry in _fields(field):
                pair = dict(_fields(entry))
                features[bytes(pair.get(1, b"")).decode()] = _feature_values(pair.get(2, b""))
    except (IndexError, ValueError) as error:  # cut in a number; a name that is not UTF-8, half a float
        raise IntegrityError(f"the bytes are no tf.train.Example ({error}); the record is of another format") from error
    return features


def _feature_values(feature: Any) -> list[Any]:
    for kind, content in _fields(feature):
        if kind == 1:
            return [bytes(value) for _, value in _fields(content)]
        packed = b"".join(bytes(value) for _, value in _fields(content))
        if kind == 2:
            return [float(value) for value in np.frombuffer(packed, "<f4")]
        return _varints(packed)
    return []


def _varints(packed: bytes) -> list[int]:
    values, position = [], 0
    while position < len(packed):
        value, position = _varint(packed, position)
        values.append(value - (1 << 64) if value >= 1 << 63 else value)
    return values


def _varint(content: Any, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        value |= (byte & 0x7F) << shift
        position += 1
        if byte < 0x80:
            return value, position
        shift += 7


def _fields(content: Any) -> Iterator[tuple[int, Any]]:
    """The length-delimited fields (number, bytes) of a protobuf message."""
    view, position = memoryview(content), 0
    while position < len(view):
        tag, position = _varint(view, position)
        if tag & 7 != 2:
            raise ValueError(f"wire type {tag & 7} at byte {position}")
        length, position = _varint(view, position)
        if length > len(view) - position:
            raise ValueError(f"a field of {length} bytes where {len(view) - position} are left")
        yield tag >> 3, view[position : position + length]
        position += length
