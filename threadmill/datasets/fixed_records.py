# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""tf.train.Example records whose features all have a fixed length, straight from one matrix of numbers to TFRecord bytes.

The bytes are those of `threadmill.datasets.tfrecord.encode_examples`; this one knows only int64 and float32 features of a
fixed length, and is many times faster for it: no Arrow, no offsets, and the narrow values are copied rather than coded.
"""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from threadmill.datasets.crc32c import TABLES, masked_crc32c
from threadmill.datasets.manifest import Field
from threadmill.kernels import kernel

Values = npt.NDArray[np.int32]

_TYPE = re.compile(r"(int64|float32)\[(\d+)\]")
_MOST_HEADERS = 48  # bytes of a feature besides its name and its values, or of the frame, at most


class FixedRecords:
    """The layout of a record's features in a row of numbers, and the encoder of such rows.

    A row is int32[width]: the features' values, in the order of their sorted names. An int64 feature's values are given as
    int32; a float32 feature's as their bits (`floats`).

    Args:
        schema: features of type ``int64[n]`` or ``float32[n]``.

    Attributes:
        names: the features, sorted as in the records.
        starts: name -> the column where the feature begins.
        widths: name -> its number of values.
        width: of a row.
    """

    def __init__(self, schema: Sequence[Field]) -> None:
        fields = sorted(schema, key=lambda field: field.name.encode())
        types = [_parsed(field) for field in fields]
        self.names = [field.name for field in fields]
        self.widths = {name: width for name, (_, width) in zip(self.names, types, strict=True)}
        ends = np.cumsum([width for _, width in types], dtype=np.int64)
        self.width = int(ends[-1]) if fields else 0
        self.starts = {name: int(end) - self.widths[name] for name, end in zip(self.names, ends, strict=True)}
        self._are_floats = np.array([is_float for is_float, _ in types], np.bool_)
        self._ends = ends
        keys = [name.encode() for name in self.names]
        self._keys = np.frombuffer(b"".join(keys), np.uint8).copy()  # a copy can be written: one signature of the kernel
        self._key_ends = np.cumsum([len(key) for key in keys], dtype=np.int64)

    def empty(self, rows: int) -> Values:
        """int32[rows, width] to be filled; nothing in it is set."""
        return np.empty((rows, self.width), np.int32)

    def view(self, values: Values, name: str) -> Values:
        """int32[n, widths[name]]: a feature's columns, to be read or filled; no copy."""
        return values[:, self.starts[name] : self.starts[name] + self.widths[name]]

    def floats(self, values: Values, name: str) -> npt.NDArray[np.float32]:
        """float32[n, widths[name]]: the columns of a float32 feature, to be read or filled; no copy."""
        return self.view(values.view(np.float32), name)  # type: ignore[arg-type,return-value]

    def encode(self, values: Values) -> npt.NDArray[np.uint8]:
        """The framed records of rows, as the bytes of a TFRecord file.

        Args:
            values: int32[n, width], C-contiguous.
        """
        bound = len(values) * (10 * self.width + len(self._keys) + _MOST_HEADERS * (len(self.names) + 1)) + 8
        output = np.empty(bound, np.uint8)
        size = _encode(values, self._ends, self._are_floats, self._keys, self._key_ends, output, TABLES)
        return output[:size]


def _parsed(field: Field) -> tuple[bool, int]:
    match = _TYPE.fullmatch(field.type)
    if match is None:
        raise ValueError(f"{field.name} is {field.type}; a fixed feature is int64[n] or float32[n]")
    return match[1] == "float32", int(match[2])


@kernel
def _encode(values, ends, are_floats, keys, key_ends, output, tables):
    """Fills ``output`` with the framed records; returns their bytes."""
    bits = values.view(np.uint32)
    octets = values.view(np.uint8)
    features = len(ends)
    packed = np.empty(features, np.int64)  # bytes of each feature's values
    entries = np.empty(features, np.int64)  # bytes of each feature's map entry
    position = 0
    for row in range(len(values)):
        total = 0
        for feature in range(features):
            start = ends[feature - 1] if feature else 0
            key_length = key_ends[feature] - (key_ends[feature - 1] if feature else 0)
            packed[feature] = _packed_size(bits, row, start, ends[feature], are_floats[feature])
            entries[feature] = _delimited(key_length) + _delimited(_delimited(_list_size(packed[feature])))
            total += _delimited(entries[feature])
        frame = position
        position = _put_header(output, frame + 12, 0x0A, total)
        for feature in range(features):
            start = ends[feature - 1] if feature else 0
            key_start = key_ends[feature - 1] if feature else 0
            position = _put_header(output, position, 0x0A, entries[feature])
            position = _put_header(output, position, 0x0A, key_ends[feature] - key_start)
            for index in range(key_start, key_ends[feature]):
                output[position] = keys[index]
                position += 1
            position = _put_list_headers(output, position, packed[feature], are_floats[feature])
            if are_floats[feature]:
                _copy(octets, row, 4 * start, packed[feature], output, position)
                position += packed[feature]
            else:
                position = _put_ints(bits, row, start, ends[feature], packed[feature], output, position)
        _put_little(output, frame, position - frame - 12, 8)
        _put_little(output, frame + 8, np.int64(masked_crc32c(output, frame, frame + 8, tables)), 4)
        _put_little(output, position, np.int64(masked_crc32c(output, frame + 12, position, tables)), 4)
        position += 4
    return position


@kernel
def _packed_size(bits, row, start, end, is_float):
    """Bytes of a feature's values: varints are of 1 byte below 2**7, 2 below 2**14 .. 10 for negative numbers."""
    if is_float:
        return 4 * (end - start)
    seven, fourteen, more, negative = 0, 0, 0, 0
    for index in range(start, end):
        value = bits[row, index]
        seven += value >= np.uint32(1 << 7)
        fourteen += value >= np.uint32(1 << 14)
        more += (value >= np.uint32(1 << 21)) + (value >= np.uint32(1 << 28))
        negative += value >= np.uint32(1 << 31)
    return end - start + seven + fourteen + more + 5 * negative


@kernel
def _put_ints(bits, row, start, end, packed, output, position):
    """Writes a feature's varints; returns where they end. May spoil 2 bytes behind them."""
    if packed == end - start:  # all of one byte
        for index in range(end - start):
            output[position + index] = np.uint8(bits[row, start + index])
        return position + packed
    stop = position + packed
    for index in range(start, end):
        value = bits[row, index]
        if value >= np.uint32(1 << 21):
            position = _put_varint(output, position, np.int64(np.int32(value)))
            continue
        two, three = value >= np.uint32(1 << 7), value >= np.uint32(1 << 14)  # without branches: ids of all sizes are mixed
        output[position] = np.uint8(value & np.uint32(0x7F)) | np.uint8(np.uint8(two) << np.uint8(7))
        output[position + 1] = np.uint8((value >> np.uint32(7)) & np.uint32(0x7F)) | np.uint8(np.uint8(three) << np.uint8(7))
        output[position + 2] = np.uint8(value >> np.uint32(14))
        position += 1 + two + three
    return stop


@kernel
def _copy(octets, row, start, length, output, position):
    for index in range(length):
        output[position + index] = octets[row, start + index]


@kernel
def _list_size(packed):
    """Bytes of an Int64List or FloatList: protobuf leaves an empty packed field out."""
    return _delimited(packed) if packed else 0


@kernel
def _put_list_headers(output, position, packed, is_float):
    """A map entry's Feature, up to where its packed values begin."""
    values = _list_size(packed)
    position = _put_header(output, position, 0x12, _delimited(values))
    position = _put_header(output, position, 0x12 if is_float else 0x1A, values)
    if packed:
        position = _put_header(output, position, 0x0A, packed)
    return position


@kernel
def _delimited(length):
    """Bytes of a length-delimited field of ``length`` bytes, with its tag and length."""
    size = 2
    rest = length >> 7
    while rest:
        size += 1
        rest >>= 7
    return size + length


@kernel
def _put_header(output, position, tag, length):
    output[position] = tag
    return _put_varint(output, position + 1, length)


@kernel
def _put_varint(output, position, value):
    rest = np.uint64(value)
    while rest >= np.uint64(0x80):
        output[position] = np.uint8((rest & np.uint64(0x7F)) | np.uint64(0x80))
        rest = rest >> np.uint64(7)
        position += 1
    output[position] = np.uint8(rest)
    return position + 1


@kernel
def _put_little(output, position, value, count):
    for shift in range(count):
        output[position + shift] = np.uint8((value >> (8 * shift)) & 0xFF)
