# mypy: disable-error-code="no-untyped-def,no-untyped-call,arg-type,assignment"
"""Compiled loops that lay tf.train.Example records out in one buffer, and find features in one."""

import numpy as np
from numba import njit

from threadmill.datasets.crc32c import masked_crc32c

BYTES, INT64, FLOAT = 0, 1, 2
_TAG_1, _TAG_2, _TAG_3 = 0x0A, 0x12, 0x1A  # length-delimited fields 1, 2, 3
_KIND_TAGS = np.array([_TAG_1, _TAG_3, _TAG_2], np.uint8)  # Feature: bytes_list = 1, float_list = 2, int64_list = 3


@njit(nogil=True, cache=True)
def _varint_size(value):
    size = 1
    rest = np.uint64(value) >> np.uint64(7)
    while rest > 0:
        size += 1
        rest = rest >> np.uint64(7)
    return size


@njit(nogil=True, cache=True)
def _put_varint(output, position, value):
    rest = np.uint64(value)
    while rest >= np.uint64(0x80):
        output[position] = np.uint8((rest & np.uint64(0x7F)) | np.uint64(0x80))
        rest = rest >> np.uint64(7)
        position += 1
    output[position] = np.uint8(rest)
    return position + 1


@njit(nogil=True, cache=True)
def _put_header(output, position, tag, length):
    output[position] = tag
    return _put_varint(output, position + 1, length)


@njit(nogil=True, cache=True)
def _delimited(length):
    return 1 + _varint_size(length) + length


@njit(nogil=True, cache=True)
def record_sizes(kinds, key_lengths, offsets, present, ints):
    """Bytes of each record's Example (column 0), of its Features (column 1), and of each feature's packed values (2 + f)."""
    features, rows = present.shape
    sizes = np.zeros((rows, 2 + features), np.int64)
    for row in range(rows):
        total = 0
        for feature in range(features):
            if not present[feature, row]:
                continue
            start, end = offsets[feature, row], offsets[feature, row + 1]
            packed = end - start
            if kinds[feature] == FLOAT:
                packed = 4 * (end - start)
            elif kinds[feature] == INT64:
                packed = 0
                for index in range(start, end):
                    packed += _varint_size(ints[index])
            sizes[row, 2 + feature] = packed
            total += _delimited(_entry_size(key_lengths[feature], kinds[feature], packed))
        sizes[row, 1] = total
        sizes[row, 0] = _delimited(total)
    return sizes


@njit(nogil=True, cache=True)
def _list_size(kind, packed):
    """Bytes of a BytesList, Int64List or FloatList: protobuf leaves an empty packed field out."""
    if packed == 0 and kind != BYTES:
        return 0
    return _delimited(packed)


@njit(nogil=True, cache=True)
def _entry_size(key_length, kind, packed):
    return _delimited(key_length) + _delimited(_delimited(_list_size(kind, packed)))


@njit(nogil=True, cache=True)
def _put_key(key, kind, packed, output, position):
    """A map entry up to where its packed values begin."""
    position = _put_header(output, position, _TAG_1, _entry_size(len(key), kind, packed))
    position = _put_header(output, position, _TAG_1, len(key))
    output[position : position + len(key)] = key
    position += len(key)
    values = _list_size(kind, packed)
    position = _put_header(output, position, _TAG_2, _delimited(values))
    position = _put_header(output, position, _KIND_TAGS[kind], values)
    if values > 0:
        position = _put_header(output, position, _TAG_1, packed)
    return position


@njit(nogil=True, cache=True)
def write_records(kinds, keys, key_offsets, offsets, present, texts, ints, floats, sizes, output, tables):
    """Fills ``output`` with framed records; sizes as `record_sizes` gives them."""
    features, rows = present.shape
    float_bytes = floats.view(np.uint8)
    position = 0
    for row in range(rows):
        length = sizes[row, 0]
        frame = position
        for shift in range(8):
            output[position + shift] = np.uint8((length >> (8 * shift)) & 0xFF)
        _put_crc(output, position + 8, masked_crc32c(output, frame, frame + 8, tables))
        position += 12
        position = _put_header(output, position, _TAG_1, sizes[row, 1])
        for feature in range(features):
            if not present[feature, row]:
                continue
            packed = sizes[row, 2 + feature]
            position = _put_key(keys[key_offsets[feature] : key_offsets[feature + 1]], kinds[feature], packed, output, position)
            start, end = offsets[feature, row], offsets[feature, row + 1]
            if kinds[feature] == INT64:
                for index in range(start, end):
                    position = _put_varint(output, position, ints[index])
            elif kinds[feature] == FLOAT:
                output[position : position + packed] = float_bytes[4 * start : 4 * end]
                position += packed
            else:
                output[position : position + packed] = texts[start:end]
                position += packed
        _put_crc(output, position, masked_crc32c(output, frame + 12, position, tables))
        position += 4


@njit(nogil=True, cache=True)
def _put_crc(output, position, crc):
    for shift in range(4):
        output[position + shift] = np.uint8((crc >> np.uint32(8 * shift)) & np.uint32(0xFF))


@njit(nogil=True, cache=True)
def _get_uint(buffer, position, count):
    value = np.uint64(0)
    for shift in range(count):
        value |= np.uint64(buffer[position + shift]) << np.uint64(8 * shift)
    return value


@njit(nogil=True, cache=True)
def count_frames(buffer, tables):
    """(records, -1) if every frame is whole and its CRCs fit, else (records before it, the bad frame's place)."""
    position, count, size = 0, 0, len(buffer)
    while position < size:
        if size - position < 16:
            return count, position
        if _get_uint(buffer, position + 8, 4) != np.uint64(masked_crc32c(buffer, position, position + 8, tables)):
            return count, position
        length = np.int64(_get_uint(buffer, position, 8))
        if length < 0 or length > size - position - 16:
            return count, position
        end = position + 12 + length
        if _get_uint(buffer, end, 4) != np.uint64(masked_crc32c(buffer, position + 12, end, tables)):
            return count, position
        position = end + 4
        count += 1
    return count, -1


@njit(nogil=True, cache=True)
def frame_bounds(buffer, count):
    """int64[count, 2]: start and end of each payload."""
    bounds = np.empty((count, 2), np.int64)
    position = 0
    for index in range(count):
        length = np.int64(_get_uint(buffer, position, 8))
        bounds[index, 0] = position + 12
        bounds[index, 1] = position + 12 + length
        position += 16 + length
    return bounds


@njit(nogil=True, cache=True)
def _take_header(buffer, position, end):
    """(tag, start of the content, end of the content) of the length-delimited field at ``position``; ``end`` is never passed."""
    tag = buffer[position]
    position += 1
    length, shift = np.int64(0), 0
    while position < end and shift < 63:
        byte = np.int64(buffer[position])
        position += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return tag, position, end if length > end - position else position + length


@njit(nogil=True, cache=True)
def _find_key(buffer, start, end, keys, key_offsets):
    for key in range(len(key_offsets) - 1):
        if end - start != key_offsets[key + 1] - key_offsets[key]:
            continue
        same = True
        for index in range(end - start):
            if buffer[start + index] != keys[key_offsets[key] + index]:
                same = False
                break
        if same:
            return key
    return -1


@njit(nogil=True, cache=True)
def _find_value(buffer, position, end):
    """Start and length of the first value of a Feature's bytes_list; length -1 where there is none."""
    if position >= end:
        return 0, -1
    tag, position, end = _take_header(buffer, position, end)
    if tag != _TAG_1 or position >= end:
        return 0, -1
    _, start, stop = _take_header(buffer, position, end)
    return start, stop - start


@njit(nogil=True, cache=True)
def locate_bytes_features(buffer, bounds, keys, key_offsets):
    """int64[keys, records] twice: where the first value of each named bytes feature starts, and its length (-1: absent)."""
    wanted, rows = len(key_offsets) - 1, len(bounds)
    starts = np.zeros((wanted, rows), np.int64)
    lengths = np.full((wanted, rows), -1, np.int64)
    for row in range(rows):
        _, position, end = _take_header(buffer, bounds[row, 0], bounds[row, 1])
        while position < end:
            _, entry, entry_end = _take_header(buffer, position, end)
            position = entry_end
            _, key_start, key_end = _take_header(buffer, entry, entry_end)
            key = _find_key(buffer, key_start, key_end, keys, key_offsets)
            if key < 0 or key_end >= entry_end:
                continue
            _, value, value_end = _take_header(buffer, key_end, entry_end)
            starts[key, row], lengths[key, row] = _find_value(buffer, value, value_end)
    return starts, lengths


@njit(nogil=True, cache=True)
def copy_slices(buffer, starts, offsets, output):
    """Fills ``output[offsets[i]:offsets[i + 1]]`` with what lies at ``starts[i]`` in ``buffer``."""
    for index in range(len(starts)):
        length = offsets[index + 1] - offsets[index]
        output[offsets[index] : offsets[index + 1]] = buffer[starts[index] : starts[index] + length]
