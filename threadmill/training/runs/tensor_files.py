"""Arrays by name in safetensors files, written and read through streams, so that no second copy of them is held.

The format: the length of a JSON header (8 bytes, little endian), the header, then the arrays' bytes
(https://github.com/huggingface/safetensors#format). The safetensors package writes from one buffer that holds them all,
and its NumPy reader knows no bfloat16.
"""

import hashlib
import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO, Any

import ml_dtypes
import numpy as np
import orjson

from threadmill.datasets import storage

Tensors = Mapping[str, np.ndarray]

_TYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "I8": np.dtype(np.int8),
    "U16": np.dtype(np.uint16),
    "I16": np.dtype(np.int16),
    "U32": np.dtype(np.uint32),
    "I32": np.dtype(np.int32),
    "U64": np.dtype(np.uint64),
    "I64": np.dtype(np.int64),
    "F16": np.dtype(np.float16),
    "BF16": np.dtype(ml_dtypes.bfloat16),
    "F32": np.dtype(np.float32),
    "F64": np.dtype(np.float64),
}
_NAMES = {dtype: name for name, dtype in _TYPES.items()}
_BLOCK = 1 << 24
_ALIGNMENT = 8
_LARGEST_HEADER = 100_000_000  # the format's own limit


class DamagedFileError(Exception):
    """A file is not what was written: other bytes, or no such file."""


@dataclass(frozen=True)
class FileDigest:
    """What a file is known by: its length in bytes, and the SHA-256 of these."""

    bytes: int
    sha256: str


def write_tensors(uri: str, tensors: Tensors) -> FileDigest:
    """Writes the file, which is there whole or not at all.

    Args:
        tensors: arrays of any shape, of the types bool, (u)int8 to (u)int64, float16, bfloat16, float32 and float64.
    """
    # The widest types first, so that each array begins at a multiple of its item's size, as readers that map files like it.
    ordered = dict(sorted(tensors.items(), key=lambda item: (-item[1].dtype.itemsize, item[0])))
    with storage.atomic_writer(uri) as stream:
        digesting = _Digesting(stream)
        digesting.write(_encode_header(ordered))
        for values in ordered.values():
            data = np.ascontiguousarray(values).reshape(-1).view(np.uint8)
            for start in range(0, data.size, _BLOCK):
                digesting.write(data[start : start + _BLOCK].data)
    return digesting.digest()


def read_tensors(uri: str, expected: FileDigest) -> dict[str, np.ndarray]:
    """The arrays in a file that must be the one of that length and digest.

    Raises:
        DamagedFileError: it is not, or there is no such file.
    """
    size = storage.size(uri)
    if size != expected.bytes:
        raise DamagedFileError(f"{uri} is missing" if size < 0 else f"{uri} has {size} bytes of {expected.bytes}")
    with storage.open_read(uri) as stream:
        digesting = _Digesting(stream)
        tensors = dict(_read_arrays(digesting, uri))
    if digesting.digest() != expected:
        raise DamagedFileError(f"{uri} has another SHA-256 than when it was written")
    return tensors


def _encode_header(tensors: Tensors) -> bytes:
    entries, begin = {}, 0
    for name, values in tensors.items():
        end = begin + values.nbytes
        entries[name] = {"dtype": _NAMES[values.dtype], "shape": list(values.shape), "data_offsets": [begin, end]}
        begin = end
    header = orjson.dumps(entries)
    header += b" " * (-len(header) % _ALIGNMENT)
    return struct.pack("<Q", len(header)) + header


def _read_arrays(stream: "_Digesting", uri: str) -> Iterator[tuple[str, np.ndarray]]:
    try:
        (length,) = struct.unpack("<Q", stream.read(8))
        if length > _LARGEST_HEADER:
            raise ValueError("its header is too long")
        entries = [(entry["data_offsets"], name, entry) for name, entry in orjson.loads(stream.read(length)).items()]
        for (begin, end), name, entry in sorted(entries, key=lambda item: (item[0], item[1])):
            dtype = _TYPES[entry["dtype"]]
            if math.prod(entry["shape"]) * dtype.itemsize != end - begin:
                raise ValueError(f"{name} is of another size")
            values = np.empty(entry["shape"], dtype)
            stream.fill(values.reshape(-1).view(np.uint8))
            yield name, values
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DamagedFileError(f"{uri} is no safetensors file ({error})") from None


class _Digesting:
    """A stream that takes note of all bytes that go through it."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream, self._hash, self._bytes = stream, hashlib.sha256(), 0

    def write(self, data: bytes | memoryview) -> None:
        self._stream.write(data)
        self._note(data)

    def read(self, length: int) -> bytes:
        data = self._stream.read(length)
        self._note(data)
        return data

    def fill(self, data: np.ndarray) -> None:
        """Reads as many bytes as uint8[n] ``data`` has place for."""
        for start in range(0, data.size, _BLOCK):
            block = data[start : start + _BLOCK]
            read = self.read(block.size)
            if len(read) != block.size:
                raise ValueError("it ends too early")
            block[:] = np.frombuffer(read, np.uint8)

    def digest(self) -> FileDigest:
        return FileDigest(self._bytes, self._hash.hexdigest())

    def _note(self, data: bytes | memoryview) -> None:
        self._hash.update(data)
        self._bytes += len(data)
