"""Reads text files, one sentence a line and a blank line between documents, as blocks of documents in bounded memory."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from threadmill.corpora.addresses import public_uri
from threadmill.corpora.encodings import refuse_no_text
from threadmill.corpora.reddit.compression import DamagedStreamError, decompressed
from threadmill.datasets import storage
from threadmill.datasets.counters import Counters
from threadmill.documents.blocks import DocumentBlock
from threadmill.documents.line_kernels import cut_lines
from threadmill.errors import InputError

BLOCK_BYTES = 8 << 20
MAX_LINE_BYTES = 1 << 20
_PIECE_BYTES = 1 << 20
_NEWLINE = 10
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_REMEDY = "`threadmill corpus` makes sentences of any text"


def read_text(uri: str, start: int = 0, stop: int = -1, counters: Counters | None = None) -> Iterator[DocumentBlock]:
    """The documents in the bytes from ``start`` to ``stop`` of a text file, or in all of a compressed one.

    Args:
        start, stop: at the beginnings of lines; a ``stop`` of -1 is the end of the file.
        counters: documents are counted as read and kept.

    Raises:
        InputError: bytes that are not UTF-8, a line over `MAX_LINE_BYTES`, or a damaged compressed file; told with the line.
    """
    group, is_open = -1, False
    for place, data in _whole_lines(uri, start, stop):
        text = np.frombuffer(data, np.uint8)
        output = np.empty(len(text), np.uint8)
        stops = np.append(np.flatnonzero(text == _NEWLINE), len(text))
        offsets = np.empty(len(stops) + 1, np.int64)
        ends = np.empty_like(offsets)
        lines, documents, longest, where, first_blank, still_open = cut_lines(text, stops, output, offsets, ends)
        if longest > MAX_LINE_BYTES:
            raise _too_long(uri, place + where, longest)
        size = int(offsets[lines])
        array = pa.LargeStringArray.from_buffers(lines, pa.py_buffer(offsets[: lines + 1]), pa.py_buffer(output[:size]))
        _check_text(array, uri, place, data)
        continues = is_open and not first_blank and documents > 0
        groups = np.arange(documents) + (group if continues else group + 1)
        if counters is not None:
            counters.read += documents - continues
            counters.kept += documents - continues
        if documents:
            group = int(groups[-1])
            yield DocumentBlock(array, np.arange(lines), ends[:documents].copy(), groups, continues)
        is_open = still_open


def _whole_lines(uri: str, start: int, stop: int) -> Iterator[tuple[int, bytes]]:
    """The text in pieces that end with a newline, or with the text; each with the place of its first byte."""
    place, held, pieces = start, 0, list[bytes]()
    for piece in _pieces(uri, start, stop):
        pieces.append(piece)
        held += len(piece)
        if held < BLOCK_BYTES:
            continue
        data = b"".join(pieces)
        cut = data.rfind(b"\n") + 1
        if not cut and held > BLOCK_BYTES + MAX_LINE_BYTES:
            raise _too_long(uri, place, held)
        if cut:
            yield place, data[:cut]
        pieces, held, place = [data[cut:]], len(data) - cut, place + cut
    if held:
        yield place, b"".join(pieces)


def _pieces(uri: str, start: int, stop: int) -> Iterator[bytes]:
    with storage.open_read(uri) as stream:
        if stop >= 0:
            stream.seek(start)
            source: Iterator[bytes] = _range(stream.read, stop - start)
        else:
            source = decompressed(stream)
        first = start == 0
        try:
            for piece in source:
                if first:
                    refuse_no_text(piece, uri)
                yield piece.removeprefix(_BYTE_ORDER_MARK) if first else piece
                first = False
        except DamagedStreamError as error:
            raise InputError(f"{public_uri(uri)}: {error}; copy the file again") from error


def _range(read: object, size: int) -> Iterator[bytes]:
    while size > 0:
        piece = read(min(size, _PIECE_BYTES))  # type: ignore[operator]
        if not piece:
            return
        size -= len(piece)
        yield piece


def _check_text(lines: pa.Array, uri: str, place: int, data: bytes) -> None:
    try:
        lines.validate(full=True)
    except pa.ArrowInvalid:
        try:
            data.decode()
        except UnicodeDecodeError as error:
            line = _line_number(uri, place + error.start)
            raise InputError(
                f"{public_uri(uri)}, line {line:,}: byte 0x{data[error.start]:02x} is not UTF-8; convert the file, for example "
                "with `iconv -f latin1 -t utf-8`"
            ) from error
        raise


def _too_long(uri: str, place: int, size: int) -> InputError:
    return InputError(
        f"{public_uri(uri)}, line {_line_number(uri, place):,}: {size:,} bytes or more without a line's end, "
        f"{MAX_LINE_BYTES:,} at most for a sentence; {_REMEDY}"
    )


def _line_number(uri: str, place: int) -> int:
    """The number, from 1, of the line that the byte at ``place`` of the text stands in."""
    count, left = 1, place
    with storage.open_read(uri) as stream:
        for piece in decompressed(stream):
            count += piece[:left].count(b"\n")
            left -= len(piece)
            if left <= 0:
                break
    return count
