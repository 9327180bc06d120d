"""Reads a dump file as blocks of whole lines, decompressing as it goes, in bounded memory."""

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import zstandard

from threadmill.datasets import storage
from threadmill.errors import InputError

_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = range(0x184D2A50, 0x184D2A60)  # RFC 8878, section 3.1.2
_MAX_WINDOW = 1 << 31  # what the dumps declare; the default of every reader is less
_READ_BYTES = 1 << 16
_WRITE_BYTES = 1 << 20  # what the decompressor gives at a time
BLOCK_BYTES = 1 << 24
MAX_LINE_BYTES = 1 << 24
_HEAD_BYTES = 100  # what is kept of a line over the limit


@dataclass(frozen=True)
class Block:
    """Whole lines of a dump.

    Attributes:
        data: the lines, each ended by a newline.
        first_line: the number of the first, from 1.
        lines: how many there are.
        too_long: set where the block stands for one line over the limit, of which ``data`` is the beginning.
    """

    data: bytes
    first_line: int
    lines: int
    too_long: bool = False


def check_source(uri: str) -> None:
    """Raises InputError where ``uri`` is no readable, non-empty file."""
    if storage.is_directory(uri):
        raise InputError(f"{uri} is a folder; name the dump file in it, such as {storage.join(uri, 'RC_2006-01.zst')}")
    size = storage.size(uri)
    if size < 0:
        raise InputError(f"{uri} does not exist; check the path, or download the month's dump")
    if storage.is_local(uri) and not stat.S_ISREG(os.stat(storage.local_path(uri)).st_mode):
        raise InputError(f"{uri} is not a regular file, so a retry could not read it again; write it to a file first")
    if size == 0:
        raise InputError(f"{uri} is empty (0 bytes); download it again")


def read_blocks(uri: str, block_bytes: int = BLOCK_BYTES, max_line_bytes: int = MAX_LINE_BYTES) -> Iterator[Block]:
    """The dump's lines in blocks of about ``block_bytes``, in order.

    Zstandard or plain, told by the first bytes, not by the name. A last line with no newline counts as whole.

    Raises:
        InputError: the file is truncated or corrupt: the message tells where.
    """
    with storage.open_read(uri) as stream:
        head = stream.read(4)
        stream.seek(0)
        pieces = _decompressed(stream, uri) if _is_zstd(head) else iter(lambda: stream.read(_READ_BYTES * 16), b"")
        yield from _blocks_of_lines(pieces, block_bytes, max_line_bytes)


def _is_zstd(head: bytes) -> bool:
    if len(head) < 4:  # too short for a dump: taken for the beginning of one, so that its reader says so
        return bool(head) and _ZSTD_MAGIC.startswith(head)
    return head == _ZSTD_MAGIC or int.from_bytes(head, "little") in _ZSTD_SKIPPABLE


def _decompressed(stream: IO[bytes], uri: str) -> Iterator[bytes]:
    """The frames' content. Not zstandard's stream_reader: it takes a truncated frame for the end of the file."""
    decompressor = zstandard.ZstdDecompressor(max_window_size=_MAX_WINDOW)
    frame, frames, consumed = decompressor.decompressobj(write_size=_WRITE_BYTES), 0, 0
    fresh = True  # nothing of the current frame was read
    while compressed := stream.read(_READ_BYTES):
        consumed += len(compressed)
        while compressed:
            try:
                piece = frame.decompress(compressed)
            except zstandard.ZstdError as error:
                raise InputError(
                    f"{uri}: corrupt zstd data in frame {frames + 1} before byte {consumed} ({error}); download the file again"
                ) from error
            fresh = False
            if piece:
                yield piece
            compressed = b""
            if frame.eof:
                compressed, frame, fresh = frame.unused_data, decompressor.decompressobj(write_size=_WRITE_BYTES), True
                frames += 1
    if not fresh:
        raise InputError(
            f"{uri}: truncated: it ends at byte {consumed} in the middle of zstd frame {frames + 1}; download the file again"
        )


def _blocks_of_lines(pieces: Iterator[bytes], block_bytes: int, max_line_bytes: int) -> Iterator[Block]:
    cutter = _LineCutter(max_line_bytes)
    for piece in pieces:
        yield from cutter.add(piece, block_bytes)
    yield from cutter.finish()


class _LineCutter:
    """Gathers pieces of a stream into blocks that end at a newline."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes
        self._pieces: list[bytes] = []
        self._size = 0
        self._next_line = 1
        self._skipping = b""  # the beginning of a line over the limit, the rest of which is passed over

    def add(self, piece: bytes, block_bytes: int) -> Iterator[Block]:
        if self._skipping:
            _, newline, piece = piece.partition(b"\n")
            if not newline:
                return
            yield self._long_line(self._skipping)
            self._skipping = b""
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size >= block_bytes:
            yield from self._cut()

    def _cut(self) -> Iterator[Block]:
        place, end = self._last_line_end()
        if end:
            data = b"".join([*self._pieces[:place], self._pieces[place][:end]])  # joined at the cut: copied once
            yield from self._blocks(data)
        rest = b"".join([self._pieces[place][end:], *self._pieces[place + 1 :]])
        self._pieces, self._size = [rest], len(rest)
        if len(rest) > self._max_line_bytes:
            self._skipping, self._pieces, self._size = rest[:_HEAD_BYTES], [], 0

    def _last_line_end(self) -> tuple[int, int]:
        """The piece in which the last whole line ends, and where in it; (0, 0) where no line does."""
        for place in range(len(self._pieces) - 1, -1, -1):
            if end := self._pieces[place].rfind(b"\n") + 1:
                return place, end
        return 0, 0

    def finish(self) -> Iterator[Block]:
        if self._skipping:
            yield self._long_line(self._skipping)
        data = b"".join(self._pieces)
        if data:
            yield from self._blocks(data if data.endswith(b"\n") else data + b"\n")

    def _blocks(self, data: bytes) -> Iterator[Block]:
        """Whole lines as one block, or as several around those over the limit: wherever a line lies, it is judged alike."""
        start = position = 0
        while len(data) - position > self._max_line_bytes:
            newline = data.rfind(b"\n", position, position + self._max_line_bytes + 1)
            if newline >= 0:
                position = newline + 1
                continue
            if position > start:
                yield self._block(data[start:position])
            end = data.index(b"\n", position)
            yield self._long_line(data[position : min(end, position + _HEAD_BYTES)])
            start = position = end + 1
        if start < len(data):
            yield self._block(data[start:])

    def _block(self, data: bytes) -> Block:
        block = Block(data, self._next_line, data.count(b"\n"))
        self._next_line += block.lines
        return block

    def _long_line(self, head: bytes) -> Block:
        block = Block(head, self._next_line, 1, too_long=True)
        self._next_line += 1
        return block
