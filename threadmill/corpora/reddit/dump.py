"""Reads a dump file as blocks of whole lines, decompressing as it goes, in bounded memory."""

from collections.abc import Generator
from contextlib import closing, suppress
from dataclasses import dataclass

import numpy as np

from threadmill.corpora.addresses import public_uri
from threadmill.corpora.reddit.compression import DamagedStreamError, decompressed
from threadmill.corpora.reddit.sources import readable
from threadmill.datasets import storage
from threadmill.errors import InputError

BLOCK_BYTES = 12 << 20
MAX_LINE_BYTES = 1 << 24
_NEWLINE = 10
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


class DamagedSourceError(InputError):
    """A source is truncated or corrupt: ``fault`` says how and where, the message the remedy too."""

    def __init__(self, uri: str, fault: str) -> None:
        super().__init__(f"{public_uri(uri)}: {fault}; download the file again, or keep what is whole with --keep-partial")
        self.uri, self.fault = uri, fault

    def __reduce__(self) -> tuple[type, tuple[str, str]]:  # it comes out of a worker process
        return type(self), (self.uri, self.fault)


def read_blocks(uri: str, block_bytes: int = BLOCK_BYTES, max_line_bytes: int = MAX_LINE_BYTES) -> Generator[Block, None, None]:
    """The dump's lines in blocks of about ``block_bytes``, in order.

    Compressed or plain, told by the first bytes, not by the name. A last line with no newline counts as whole.

    Raises:
        DamagedSourceError: the file is truncated or corrupt: the message tells where. All lines that were whole before
            the fault have been given by then.
    """
    # Freed at once: glibc keeps up to twice what was freed last of this kind for the next block, which saves half the page
    # faults of reading (mallopt(3), M_TRIM_THRESHOLD).
    bytearray(2 * BLOCK_BYTES)
    cutter = _LineCutter(max_line_bytes)
    try:
        for piece in open_decompressed(uri):
            yield from cutter.add(piece, block_bytes)
    except DamagedSourceError as error:
        yield from cutter.finish(with_rest=False)
        raise DamagedSourceError(uri, f"{error.fault}; the last whole line is {cutter.lines}") from error
    yield from cutter.finish()


def open_decompressed(uri: str) -> Generator[bytes, None, None]:
    """The file's decompressed content, in pieces of at most about a MiB.

    Raises:
        DamagedSourceError: the file is truncated or corrupt, after the last piece that is sound.
    """
    with storage.open_read(readable(uri)) as stream:
        try:
            yield from decompressed(stream)
        except DamagedStreamError as error:
            raise DamagedSourceError(uri, str(error)) from error


def head(uri: str, size: int) -> bytes:
    """The first ``size`` bytes of the decompressed content: fewer where there are no more, or no sound ones."""
    content = b""
    with closing(open_decompressed(uri)) as pieces, suppress(DamagedSourceError):
        for piece in pieces:
            content += piece
            if len(content) >= size:
                break
    return content[:size]


class _LineCutter:
    """Gathers pieces of a stream into blocks that end at a newline."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes
        self._pieces: list[bytes] = []
        self._size = 0
        self._next_line = 1
        self._skipping = b""  # the beginning of a line over the limit, the rest of which is passed over

    def add(self, piece: bytes, block_bytes: int) -> Generator[Block, None, None]:
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

    def _cut(self) -> Generator[Block, None, None]:
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

    @property
    def lines(self) -> int:
        """How many were given."""
        return self._next_line - 1

    def finish(self, with_rest: bool = True) -> Generator[Block, None, None]:
        """What was not given yet; ``with_rest``, an end without newline counts as a line."""
        if self._skipping and with_rest:
            yield self._long_line(self._skipping)
        data = b"".join(self._pieces)
        if not with_rest:
            data = data[: data.rfind(b"\n") + 1]
        if data:
            yield from self._blocks(data if data.endswith(b"\n") else data + b"\n")

    def _blocks(self, data: bytes) -> Generator[Block, None, None]:
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
        newlines = np.count_nonzero(np.frombuffer(data, np.uint8) == _NEWLINE)  # three times as fast as bytes.count
        block = Block(data, self._next_line, int(newlines))
        self._next_line += block.lines
        return block

    def _long_line(self, head: bytes) -> Block:
        block = Block(head, self._next_line, 1, too_long=True)
        self._next_line += 1
        return block
