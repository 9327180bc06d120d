"""Token files: the store of a portion's tokens as one file, of which any array, or a piece of one, can be read alone.

A header of 48 bytes, little-endian: the magic, the bytes of an id and of a start, and the counts of tokens, sentences, documents
and groups; then the arrays of `TokenStore`, each beginning at a multiple of 8 bytes: ids, starts, lengths, document_offsets,
groups, group_offsets. All numbers in them are the portion's own.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from threadmill.datasets import storage
from threadmill.engine.stage import ShardStream
from threadmill.errors import IntegrityError
from threadmill.pretraining.store import ARRAYS, TokenStore

Array = npt.NDArray[Any]

_MAGIC = b"TMTOKENS"
_HEADER = struct.Struct("<8sII4Q")
_BLOCK_BYTES = 16 << 20
_ID_TYPES: dict[int, type[np.generic]] = {2: np.uint16, 4: np.int32}
_START_TYPES: dict[int, type[np.generic]] = {4: np.uint32, 8: np.int64}
_MOST_IN_32_BITS = 1 << 32


def write_tokens(store: TokenStore, stream: ShardStream) -> None:
    """Writes a store as a token file; its documents are the records."""
    starts: type[np.generic] = np.uint32 if store.tokens < _MOST_IN_32_BITS else np.int64
    counts = (store.tokens, len(store.lengths), store.documents, len(store.group_offsets) - 1)
    stream.write(_HEADER.pack(_MAGIC, store.ids.itemsize, np.dtype(starts).itemsize, *counts))
    types: dict[str, Any] = {"ids": store.ids.dtype, **ARRAYS, "starts": starts}
    for name, dtype in types.items():
        array = getattr(store, name)
        step = _BLOCK_BYTES // 8
        for begin in range(0, len(array), step):
            stream.write(np.ascontiguousarray(array[begin : begin + step], dtype).data)
        stream.write(bytes(-stream.bytes % 8))
    stream.records = store.documents


@dataclass(frozen=True)
class TokenFile:
    """A token file, opened.

    Attributes:
        uri: where it lies.
        id_bytes, start_bytes: of an id and of a start.
        tokens, sentences, documents, groups: how many there are.
    """

    uri: str
    id_bytes: int
    start_bytes: int
    tokens: int
    sentences: int
    documents: int
    groups: int

    @classmethod
    def open(cls, uri: str) -> "TokenFile":
        """Reads the header.

        Raises:
            IntegrityError: it is no token file, or another part of it is missing.
        """
        with storage.open_read(uri) as stream:
            head = stream.read(_HEADER.size)
        remedy = "remove the output's folder .phases and run the stage again"
        if len(head) < _HEADER.size or not head.startswith(_MAGIC):
            raise IntegrityError(f"{uri} is no file of tokens; {remedy}")
        file = cls(uri, *_HEADER.unpack(head)[1:])
        if storage.size(uri) != file._places()[""][0]:
            raise IntegrityError(f"{uri} is cut; {remedy}")
        return file

    @property
    def id_type(self) -> type[np.generic]:
        """Of an id."""
        return _ID_TYPES[self.id_bytes]

    def read(self, name: str) -> Array:
        """All of an array, in the type of `TokenStore`."""
        place, dtype, count = self._places()[name]
        array = np.empty(count, dtype)
        with storage.open_read(self.uri) as stream:
            stream.seek(place)
            self._fill(stream, array)
        return array.astype(ARRAYS.get(name, dtype), copy=False)

    def blocks(self, name: str) -> Iterator[tuple[int, Array]]:
        """An array piece by piece, each with the number of its first value, in the type in which it is stored."""
        place, dtype, count = self._places()[name]
        step = _BLOCK_BYTES // np.dtype(dtype).itemsize
        with storage.open_read(self.uri) as stream:
            stream.seek(place)
            for begin in range(0, count, step):
                block = np.empty(min(step, count - begin), dtype)
                self._fill(stream, block)
                yield begin, block

    def save(self, folder: Path) -> None:
        """Writes all arrays to files of ``folder``, for `open_store`."""
        for name, (_, dtype, _) in self._places().items():
            if name:
                with open(folder / name, "wb") as file:
                    for _, block in self.blocks(name):
                        file.write(block.astype(ARRAYS.get(name, dtype), copy=False).data)

    def _fill(self, stream: Any, array: Array) -> None:
        view = array.data.cast("B") if len(array) else memoryview(b"")
        while len(view):
            read = stream.readinto(view)
            if not read:
                raise IntegrityError(f"{self.uri} ended while it was read; run the stage again")
            view = view[read:]

    def _places(self) -> dict[str, tuple[int, type[np.generic], int]]:
        """Where each array begins, its type and its count; under "" where the file ends."""
        types = {"ids": self.id_type, **ARRAYS, "starts": _START_TYPES[self.start_bytes]}
        counts = {
            "ids": self.tokens,
            "starts": self.sentences,
            "lengths": self.sentences,
            "document_offsets": self.documents + 1,
            "groups": self.documents,
            "group_offsets": self.groups + 1,
        }
        place, places = _HEADER.size, dict[str, tuple[int, type[np.generic], int]]()
        for name, dtype in types.items():
            places[name] = place, dtype, counts[name]
            place += counts[name] * np.dtype(dtype).itemsize
            place += -place % 8
        return {**places, "": (place, np.uint8, 0)}
