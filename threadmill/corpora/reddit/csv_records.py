"""Cuts a stream of CSV into blocks of whole records, in bounded memory: a record may hold newlines, and lie across pieces."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from threadmill.corpora.reddit.csv_kernels import QUOTED, START, record_ends
from threadmill.corpora.reddit.dump import BLOCK_BYTES, MAX_LINE_BYTES, DamagedSourceError

_EXCERPT_BYTES = 200  # what is kept of a record over the limit


@dataclass(frozen=True)
class Records:
    """Whole records of a CSV file.

    Attributes:
        data: the records, each ended by a newline.
        first_line: the number of the line on which the first begins, from 1.
        count: how many there are.
        too_long: set where the block stands for one record over the limit, of which ``data`` is the beginning.
    """

    data: bytes
    first_line: int
    count: int
    too_long: bool = False


def record_blocks(
    uri: str, pieces: Iterable[bytes], block_bytes: int = BLOCK_BYTES, max_record_bytes: int = MAX_LINE_BYTES
) -> Iterator[Records]:
    """The records in blocks of about ``block_bytes``, in order. A last record without a newline counts as whole.

    A record over the limit may still be in a block where it took no more memory than that.

    Raises:
        DamagedSourceError: the file is damaged or ends within quotes. All records that were whole before have been given by then.
    """
    cutter = _RecordCutter(block_bytes, max_record_bytes)
    try:
        for piece in pieces:
            yield from cutter.add(piece)
    except DamagedSourceError as error:
        yield from cutter.rest()
        raise DamagedSourceError(uri, f"{error.fault}; the last whole record ends on line {cutter.line - 1}") from error
    if cutter.in_quotes:
        yield from cutter.rest()
        fault = f"ends within quotes, in the record that begins on line {cutter.line} (cut off, or a quote is not closed)"
        raise DamagedSourceError(uri, fault)
    if cutter.in_record:
        yield from cutter.add(b"\n")
    yield from cutter.rest()


class _RecordCutter:
    def __init__(self, block_bytes: int, max_record_bytes: int) -> None:
        self._block_bytes, self._max_record_bytes = block_bytes, max_record_bytes
        self._state = START
        self._whole: list[bytes] = []
        self._whole_bytes = self._whole_count = 0
        self._first_line = 1
        self._begun: list[bytes] = []  # of the record that has not ended
        self._begun_bytes = self._begun_lines = 0
        self.line = 1  # on which it begins

    @property
    def in_quotes(self) -> bool:
        return self._state == QUOTED

    @property
    def in_record(self) -> bool:
        return self._begun_bytes > 0

    def add(self, piece: bytes) -> Iterator[Records]:
        too_long = self._begun_bytes > self._max_record_bytes
        count, end, self._state = record_ends(np.frombuffer(piece, np.uint8), self._state, too_long)
        if not count:
            self._begin(piece, too_long)
            return
        begun, lines = self._begun, self._begun_lines + piece.count(b"\n", 0, end)
        self._begun, self._begun_bytes, self._begun_lines = [], 0, 0
        if too_long:
            yield from self.rest()
            yield Records(b"".join(begun)[:_EXCERPT_BYTES], self.line, 1, too_long=True)
            self.line += lines
            self._first_line = self.line
            yield from self.add(piece[end:])
            return
        self._whole += [*begun, piece[:end]]
        self._whole_bytes += sum(map(len, begun)) + end
        self._whole_count += count
        self.line += lines
        self._begin(piece[end:], False)
        if self._whole_bytes >= self._block_bytes:
            yield from self.rest()

    def _begin(self, piece: bytes, too_long: bool) -> None:
        if not too_long:
            self._begun.append(piece)
        self._begun_bytes += len(piece)
        self._begun_lines += piece.count(b"\n")

    def rest(self) -> Iterator[Records]:
        """The whole records that were not yet given."""
        if self._whole:
            yield Records(b"".join(self._whole), self._first_line, self._whole_count)
        self._whole, self._whole_bytes, self._whole_count = [], 0, 0
        self._first_line = self.line
