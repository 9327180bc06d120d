"""Reads a text file as blocks of whole lines in bounded memory, whatever the length of its lines."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pyarrow as pa

from threadmill.corpora.addresses import public_uri
from threadmill.corpora.encodings import refuse_no_text
from threadmill.corpora.reddit.compression import DamagedStreamError, decompressed
from threadmill.corpora.reddit.sources import readable
from threadmill.corpora.text.sentences import cut_place
from threadmill.datasets import storage
from threadmill.errors import InputError

BLOCK_BYTES = 4 << 20
_LONGEST_BYTES = 2 * BLOCK_BYTES  # a line that is longer is cut
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_END_OF_PARAGRAPH = re.compile(rb"\n[ \t\r]*\n")


@dataclass(frozen=True)
class TextBlock:
    """Lines of a file.

    Attributes:
        data: valid UTF-8, that ends at a line's end, at the file's, or within a line that was cut.
        place: of its first byte in the decompressed file, from 0; first_line: the number of its first line, from 1.
        cut: its last line goes on in the next block.
    """

    data: bytes
    place: int
    first_line: int
    cut: bool = False


def last_line_end(data: bytes) -> int:
    """What follows the last newline; 0 where there is none."""
    return data.rfind(b"\n") + 1


def last_paragraph_end(data: bytes) -> int:
    """What follows the last blank line in the latter half of the data, or else the last newline."""
    ends = [blank.end() for blank in _END_OF_PARAGRAPH.finditer(data, len(data) // 2)]
    return ends[-1] if ends else last_line_end(data)


def read_text_blocks(
    uri: str, find_end: Callable[[bytes], int] = last_line_end, longest_bytes: int = _LONGEST_BYTES
) -> Iterator[TextBlock]:
    """The file in blocks of about `BLOCK_BYTES`, decompressed, without a byte order mark; checked by `check_utf8` later.

    Args:
        find_end: where in the data gathered so far a block may end; 0 for nowhere.
        longest_bytes: a line that is longer is cut.

    Raises:
        InputError: a file in UTF-16 or UTF-32, or a damaged compressed file.
    """
    held, place, line = b"", 0, 1
    for piece in _pieces(uri):
        held += piece
        if len(held) < BLOCK_BYTES:
            continue
        end, cut = find_end(held), False
        if not end and len(held) >= longest_bytes:
            end, cut = cut_place(held, BLOCK_BYTES), True
        if end:
            yield TextBlock(held[:end], place, line, cut)
            line += held.count(b"\n", 0, end)
            held, place = held[end:], place + end
    if held:
        yield TextBlock(held, place, line)


def read_head(uri: str, size: int) -> bytes:
    """The first ``size`` bytes of the decompressed file, fewer where there are no more, without a byte order mark."""
    held = b""
    for piece in _pieces(uri):
        held += piece
        if len(held) >= size:
            break
    return held[:size]


def check_utf8(block: TextBlock, uri: str) -> pa.Array:
    """The block as large_string[1], with nothing copied.

    Raises:
        InputError: bytes that are not UTF-8, told with their line.
    """
    offsets = pa.array([0, len(block.data)], pa.int64()).buffers()[1]
    array = pa.LargeStringArray.from_buffers(1, offsets, pa.py_buffer(block.data))
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        try:
            block.data.decode()
        except UnicodeDecodeError as error:
            raise _not_utf8(block, uri, error.start) from None
        raise
    return array


def _pieces(uri: str) -> Iterator[bytes]:
    with storage.open_read(readable(uri)) as stream:
        try:
            first = True
            for piece in decompressed(stream):
                if first:
                    refuse_no_text(piece, uri)
                    piece = piece.removeprefix(_BYTE_ORDER_MARK)
                first = False
                yield piece
        except DamagedStreamError as error:
            raise InputError(f"{public_uri(uri)}: {error}; copy or download the file again") from error


def _not_utf8(block: TextBlock, uri: str, start: int) -> InputError:
    line = block.first_line + block.data.count(b"\n", 0, start)
    return InputError(
        f"{public_uri(uri)}, line {line:,}, byte {block.place + start:,}: 0x{block.data[start]:02x} is not UTF-8; convert the "
        "file, for example with `iconv -f latin1 -t utf-8`"
    )
