"""The compressions of dumps, told by their first bytes, and their content in pieces of bounded size."""

import bz2
import io
import lzma
import zlib
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import IO, Any, Protocol, cast

import zstandard

PIECE_BYTES = 1 << 20  # what a decompressor gives at a time
_READ_BYTES = 1 << 16
_BUFFER_BYTES = 1 << 18
_MOST_MAGIC = 6
_ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
_ZSTD_SKIPPABLE = range(0x184D2A50, 0x184D2A60)  # RFC 8878, section 3.1.2
_ZSTD_LARGEST_BLOCK = 1 << 17  # RFC 8878, section 3.1.1.2.4
_ZSTD_WINDOW = 1 << 31  # what the dumps declare; the default of every reader is less
_XZ_MEMORY = 1 << 31  # `xz -9` takes 65 MB to read; its format allows 4 GiB
_RAW, _RLE, _COMPRESSED = 0, 1, 2


class DamagedStreamError(Exception):
    """A compressed stream ends too early, or does not hold what was written; the message says where."""


@dataclass(frozen=True)
class Compression:
    """One way in which files are compressed.

    Attributes:
        magics: with one of which each file begins.
        pieces: from the file's bytes, its content; raises DamagedStreamError after the last piece that is sound.
    """

    magics: tuple[bytes, ...]
    pieces: Callable[[IO[bytes]], Iterator[bytes]]


def find_compression(head: bytes) -> str:
    """The name in `COMPRESSIONS` of what begins with ``head``; "" where it is not compressed.

    A file that is shorter than the signature it begins is taken for a beginning of one, so that its reader says so.
    """
    for name, compression in COMPRESSIONS.items():
        if any(head.startswith(magic) or (head and magic.startswith(head)) for magic in compression.magics):
            return name
    return ""


def decompressed(stream: IO[bytes]) -> Iterator[bytes]:
    """The content of a seekable stream, of any compression or none, in pieces of about a MiB.

    Raises:
        DamagedStreamError: the file is truncated or corrupt.
    """
    name = find_compression(stream.read(_MOST_MAGIC))
    stream.seek(0)
    if name:
        return COMPRESSIONS[name].pieces(stream)
    return iter(lambda: stream.read(PIECE_BYTES), b"")


class _Source:
    """The compressed bytes, and where in them the reader is: all that a message about damage must say."""

    def __init__(self, stream: IO[bytes], part: str) -> None:
        self._stream = io.BufferedReader(cast(io.RawIOBase, stream), _BUFFER_BYTES)
        self._part = part
        self.position = 0
        self.parts = 0

    def read(self, size: int) -> bytes:
        """The next ``size`` bytes; fewer at the end of the file."""
        content = self._stream.read(size)
        self.position += len(content)
        return content

    def truncated(self) -> DamagedStreamError:
        return DamagedStreamError(f"truncated: it ends at byte {self.position} in the middle of {self._part} {self.parts}")

    def corrupt(self, why: object) -> DamagedStreamError:
        return DamagedStreamError(f"corrupt: {self._part} {self.parts} cannot be read on before byte {self.position} ({why})")


def _zstd_pieces(stream: IO[bytes]) -> Iterator[bytes]:
    """The frames' content, block by block: each gives 128 KiB at most, whatever a hostile file promises.

    Not zstandard's stream_reader, which takes a truncated frame for the end of the file.
    """
    decompressor = zstandard.ZstdDecompressor(max_window_size=_ZSTD_WINDOW)
    source = _Source(stream, "zstd frame")
    while magic := source.read(4):
        source.parts += 1
        if len(magic) < 4:
            raise source.truncated()
        if int.from_bytes(magic, "little") in _ZSTD_SKIPPABLE:
            _skip_frame(source)
        elif magic == _ZSTD_MAGIC:
            yield from _ZstdFrame(source, decompressor.decompressobj(write_size=_ZSTD_LARGEST_BLOCK)).pieces()
        else:
            raise source.corrupt("no frame begins here")


def _skip_frame(source: _Source) -> None:
    size = source.read(4)
    left = int.from_bytes(size, "little")
    if len(size) < 4:
        raise source.truncated()
    while left:
        skipped = len(source.read(min(left, _READ_BYTES)))
        if not skipped:
            raise source.truncated()
        left -= skipped


class _ZstdFrame:
    """One frame, after its signature, block by block: RFC 8878, section 3.1.1."""

    def __init__(self, source: _Source, decoder: "zstandard.ZstdDecompressionObj") -> None:
        self._source, self._decoder = source, decoder

    def pieces(self) -> Iterator[bytes]:
        header, has_checksum = self._header()
        self._decode(header)
        last = False
        while not last:
            header = self._take(3)
            value = int.from_bytes(header, "little")
            last, kind, size = bool(value & 1), value >> 1 & 3, value >> 3
            if kind not in (_RAW, _RLE, _COMPRESSED) or size > _ZSTD_LARGEST_BLOCK:
                raise self._source.corrupt(f"a block of type {kind} and {size} bytes")
            content = self._take(1 if kind == _RLE else size)
            if piece := self._decode(header + content + (self._take(4) if last and has_checksum else b"")):
                yield piece
        if not self._decoder.eof:
            raise self._source.corrupt("its blocks end before it does")

    def _header(self) -> tuple[bytes, bool]:
        start = _ZSTD_MAGIC + self._take(1)
        try:
            header = start + self._take(zstandard.frame_header_size(start) - len(start))
            return header, zstandard.get_frame_parameters(header).has_checksum
        except zstandard.ZstdError as error:
            raise self._source.corrupt(error) from error

    def _take(self, size: int) -> bytes:
        content = self._source.read(size)
        if len(content) < size:
            raise self._source.truncated()
        return content

    def _decode(self, compressed: bytes) -> bytes:
        try:
            return self._decoder.decompress(compressed)
        except zstandard.ZstdError as error:
            raise self._source.corrupt(error) from error


class _Decoder(Protocol):
    """What the standard library's decompressors of bzip2 and xz have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int) -> bytes: ...


class _GzipMember:
    """zlib's decompressor in the form of the others."""

    def __init__(self) -> None:
        self._decoder = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
        self.needs_input = True

    @property
    def eof(self) -> bool:
        return self._decoder.eof

    @property
    def unused_data(self) -> bytes:
        return self._decoder.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        piece = self._decoder.decompress(self._decoder.unconsumed_tail + data, max_length)
        self.needs_input = not self._decoder.unconsumed_tail and len(piece) < max_length
        return piece


@dataclass(frozen=True)
class _StreamFormat:
    """Files of one stream after the other, each of which its own decoder reads; ``padding`` may stand between them."""

    part: str
    magic: bytes
    decoder: Callable[[], Any]
    errors: tuple[type[Exception], ...]
    padding: bytes = b""

    def pieces(self, stream: IO[bytes]) -> Iterator[bytes]:
        source = _Source(stream, self.part)
        rest = source.read(_READ_BYTES)
        while rest:
            source.parts += 1
            if not rest.startswith(self.magic[: len(rest)]):
                raise source.corrupt("no stream begins here")
            rest = yield from self._one(source, rest)
            rest = self._after_padding(source, rest)

    def _one(self, source: _Source, rest: bytes) -> Generator[bytes, None, bytes]:
        decoder: _Decoder = self.decoder()
        while not decoder.eof:
            if not rest and decoder.needs_input and not (rest := source.read(_READ_BYTES)):
                raise source.truncated()
            try:
                piece = decoder.decompress(rest, PIECE_BYTES)
            except self.errors as error:
                raise source.corrupt(error) from error
            rest = b""
            if piece:
                yield piece
        return decoder.unused_data

    def _after_padding(self, source: _Source, rest: bytes) -> bytes:
        """What follows, at least as long as a signature where the file goes on as far."""
        while len(rest := rest.lstrip(self.padding) if self.padding else rest) < len(self.magic):
            more = source.read(_READ_BYTES)
            if not more:
                break
            rest += more
        return rest


_GZIP = _StreamFormat("gzip member", b"\x1f\x8b", _GzipMember, (zlib.error,), padding=b"\0")
_BZIP2 = _StreamFormat("bzip2 stream", b"BZh", bz2.BZ2Decompressor, (OSError, ValueError))
_XZ = _StreamFormat(
    "xz stream",
    b"\xfd7zXZ\0",
    lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
    (lzma.LZMAError, MemoryError),
    padding=b"\0",
)

COMPRESSIONS = {
    "zstd": Compression((_ZSTD_MAGIC, *(magic.to_bytes(4, "little") for magic in _ZSTD_SKIPPABLE)), _zstd_pieces),
    "gzip": Compression((_GZIP.magic,), _GZIP.pieces),
    "bzip2": Compression((_BZIP2.magic,), _BZIP2.pieces),
    "xz": Compression((_XZ.magic,), _XZ.pieces),
}
