"""The decompressed content of a source: its head, ranges of it, and its lines and TFRecord frames with their places."""

from collections.abc import Iterator

from threadmill.corpora.addresses import public_uri
from threadmill.corpora.reddit.compression import DamagedStreamError, decompressed
from threadmill.corpora.reddit.sources import readable
from threadmill.datasets import storage
from threadmill.errors import InputError

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_LONGEST_LINE = 64 << 20
_FRAME_HEAD, _FRAME_TAIL = 12, 4  # of a TFRecord: length and its CRC; the payload's CRC
_TO_THE_END = 1 << 62


def read_content(uri: str, start: int = 0, stop: int = _TO_THE_END) -> Iterator[bytes]:
    """The bytes from ``start`` to ``stop`` of the decompressed content, in pieces.

    Raises:
        InputError: the file is truncated or corrupt.
    """
    place = 0
    with storage.open_read(readable(uri)) as stream:
        try:
            for piece in decompressed(stream):
                if place + len(piece) > start:
                    yield piece[max(0, start - place) : stop - place]
                place += len(piece)
                if place >= stop:
                    return
        except DamagedStreamError as error:
            raise InputError(f"{public_uri(uri)}: {error}; copy or download the file again") from error


def read_beginning(uri: str, size: int) -> bytes:
    """The first ``size`` bytes, or all where there are no more."""
    return b"".join(read_content(uri, 0, size))


def read_lines(uri: str, start: int = 0, stop: int = _TO_THE_END) -> Iterator[bytes]:
    """The lines from ``start`` to ``stop``, which are beginnings of lines, each with its end as it stands.

    Raises:
        InputError: a line longer than 64 MiB, or see `read_content`.
    """
    held, size = list[bytes](), 0  # the beginning of a line whose end has not come
    for piece in read_content(uri, start, stop):
        if b"\n" in piece:
            *lines, last = b"".join([*held, piece]).split(b"\n")
            yield from (line + b"\n" for line in lines)
            held, size = [], 0
            piece = last
        held.append(piece)
        size += len(piece)
        if size > _LONGEST_LINE:
            raise InputError(f"{public_uri(uri)} has a line of more than {_LONGEST_LINE:,} bytes; it is no dialogue set")
    if size:
        yield b"".join(held)


def read_frames(uri: str) -> Iterator[int]:
    """The length of each TFRecord frame, head and CRCs included; they are checked when they are read.

    Raises:
        InputError: the file ends within a frame, or see `read_content`.
    """
    held, number, missing = b"", 0, 0
    for piece in read_content(uri):
        if missing >= len(piece):
            missing -= len(piece)
            continue
        held, missing = held + piece[missing:], 0
        while len(held) >= _FRAME_HEAD:
            size = _FRAME_HEAD + int.from_bytes(held[:8], "little") + _FRAME_TAIL
            yield size
            number += 1
            missing, held = max(0, size - len(held)), held[size:]
    if held or missing:
        raise InputError(f"{public_uri(uri)} ends within record {number}; copy or download the file again")
