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
        line = bits[row]
        total = 0
        for feature in range(features):
            start = ends[feature - 1] if feature else 0
            key_length = key_ends[feature] - (key_ends[feature - 1] if feature else 0)
            size = 4 * (ends[feature] - start)
            if not are_floats[feature]:
                size = _packed_size(line[start : ends[feature]])
            packed[feature] = size
            entries[feature] = _delimited(key_length) + _delimited(_delimited(_list_size(size)))
            total += _delimited(entries[feature])
        frame = position
        position = _put_header(output, frame + 12, 0x0A, total)
        for feature in range(features):
            start = ends[feature - 1] if feature else 0
            key = keys[key_ends[feature - 1] if feature else 0 : key_ends[feature]]
            position = _put_header(output, position, 0x0A, entries[feature])
            position = _put_header(output, position, 0x0A, len(key))
            _copy(key, output[position : position + len(key)])
            position = _put_list_headers(output, position + len(key), packed[feature], are_floats[feature])
            stop = position + packed[feature]
            if are_floats[feature]:
                _copy(octets[row, 4 * start : 4 * ends[feature]], output[position:stop])
            elif packed[feature] == ends[feature] - start:
                _copy(line[start : ends[feature]], output[position:stop])
            else:
                _put_ints(line[start : ends[feature]], output, position)
            position = stop
        _put_little(output, frame, position - frame - 12, 8)
        _put_little(output, frame + 8, np.int64(masked_crc32c(output, frame, frame + 8, tables)), 4)
        _put_little(output, position, np.int64(masked_crc32c(output, frame + 12, position, tables)), 4)
        position += 4
    return position


@kernel
def _copy(source, target):
    """Copies numbers below 256 to bytes, many at a time."""
    for index in range(len(target)):
        target[index] = np.uint8(source[index])


@kernel
def _packed_size(values):
    """Bytes of a feature's varints: of 1 byte below 2**7, 2 below 2**14 .. 10 for negative numbers, that is from 2**31."""
    together = np.uint32(0)
    for index in range(len(values)):
        together |= values[index]
    if together < np.uint32(1 << 7):
        return len(values)
    size = np.uint32(0)
    for index in range(len(values)):
        value = values[index]
        size += np.uint32(value >= np.uint32(1 << 7)) + np.uint32(value >= np.uint32(1 << 14))
    if together >= np.uint32(1 << 21):
        for index in range(len(values)):
            value = values[index]
            size += np.uint32(value >= np.uint32(1 << 21)) + np.uint32(value >= np.uint32(1 << 28))
            size += np.uint32(5) * np.uint32(value >= np.uint32(1 << 31))
    return len(values) + np.int64(size)


@kernel
def _put_ints(values, output, position):
    """Writes a feature's varints. May spoil 2 bytes behind them."""
    place = np.uint64(position)  # unsigned, so that it need not be looked at whether it counts from the end
    for index in range(len(values)):
        value = values[index]
        if value >= np.uint32(1 << 21):
            place = np.uint64(_put_varint(output, np.int64(place), np.int64(np.int32(value))))
            continue
        two, three = np.uint32(value >= np.uint32(1 << 7)), np.uint32(value >= np.uint32(1 << 14))
        # Without branches, for ids of all sizes are mixed.
        output[place] = np.uint8(value & np.uint32(0x7F) | two << np.uint32(7))
        output[place + np.uint64(1)] = np.uint8(value >> np.uint32(7) & np.uint32(0x7F) | three << np.uint32(7))
        output[place + np.uint64(2)] = np.uint8(value >> np.uint32(14))
        place += np.uint64(1) + np.uint64(two) + np.uint64(three)


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
