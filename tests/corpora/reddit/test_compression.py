import bz2
import gzip
import io
import lzma
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from threadmill.corpora.reddit.compression import PIECE_BYTES, DamagedStreamError, decompressed, find_compression
from threadmill.corpora.reddit.dump import DamagedSourceError, head, read_blocks

Compress = Callable[[bytes], bytes]


def zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


def xz(content: bytes) -> bytes:
    return lzma.compress(content, check=lzma.CHECK_CRC32)


COMPRESS: dict[str, Compress] = {"zstd": zstd, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": xz}
PARTS = {"zstd": "zstd frame", "gzip": "gzip member", "bzip2": "bzip2 stream", "xz": "xz stream"}
lines_strategy = st.lists(st.binary(max_size=60).map(lambda line: line.replace(b"\n", b"")), min_size=1, max_size=12)


def content_of(data: bytes) -> bytes:
    return b"".join(decompressed(io.BytesIO(data)))


def before_the_fault(path: Path) -> tuple[bytes, str]:
    """What is read of a file up to its fault, and the message."""
    blocks: list[bytes] = []
    with pytest.raises(DamagedSourceError) as caught:
        blocks.extend(block.data for block in read_blocks(str(path), block_bytes=16))
    assert all(block.endswith(b"\n") for block in blocks)
    return b"".join(blocks), str(caught.value)


@pytest.mark.parametrize("name", COMPRESS)
@given(lines=lines_strategy, cuts=st.lists(st.integers(0, 700), max_size=4))
def test_content_is_the_same_in_any_number_of_streams(name: str, lines: list[bytes], cuts: list[int]) -> None:
    content = b"\n".join(lines)
    edges = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    data = b"".join(COMPRESS[name](content[start:end]) for start, end in zip(edges, [*edges[1:], len(content)], strict=True))
    assert find_compression(data[:6]) == name
    assert content_of(data) == content


@pytest.mark.parametrize("name", COMPRESS)
def test_each_place_to_cut_a_file_is_an_error_that_tells_it_and_no_half_line_is_a_line(tmp_path: Path, name: str) -> None:
    parts = [COMPRESS[name](b"one\ntwo is longer\nthr"), COMPRESS[name](b"ee\nfour\n"), COMPRESS[name](b"five")]
    whole_lines = [b"one", b"two is longer", b"three", b"four"]
    content = b"".join(parts)
    ends = {len(b"".join(parts[:count])) for count in range(1, 4)}
    path = tmp_path / "RC_2006-01"
    for length in set(range(1, len(content))) - ends:
        path.write_bytes(content[:length])
        text, message = before_the_fault(path)
        lines = text.splitlines()
        assert lines == whole_lines[: len(lines)]
        part = 1 + sum(end <= length for end in ends)
        assert message == (
            f"{path}: truncated: it ends at byte {length} in the middle of {PARTS[name]} {part}; the last whole line is "
            f"{len(lines)}; download the file again, or keep what is whole with --keep-partial"
        )
        if length >= len(parts[0]):
            assert len(lines) >= 2  # all that the first stream holds


@pytest.mark.parametrize("name", COMPRESS)
def test_a_spoilt_byte_is_told_or_changes_nothing(tmp_path: Path, name: str) -> None:
    content = b"".join(b"a line of text, number %d\n" % number for number in range(200))
    data = COMPRESS[name](content[:3000]) + COMPRESS[name](content[3000:])
    path = tmp_path / "RC_2006-01"
    faults: list[DamagedSourceError] = []
    for place in range(3 if name == "gzip" else 6, len(data), 3):
        spoilt = bytearray(data)
        spoilt[place] ^= 0x55
        path.write_bytes(spoilt)
        try:
            text = b"".join(block.data for block in read_blocks(str(path)))
        except DamagedSourceError as error:
            faults.append(error)
        else:
            assert text == content
    assert len(faults) > len(data) // 3 * 0.9
    for told in faults:
        assert PARTS[name] in told.fault
        assert "byte" in told.fault
        assert "last whole line" in told.fault
        assert "\n" not in str(told)


@pytest.mark.parametrize("name", COMPRESS)
def test_what_does_not_belong_behind_a_stream_is_told(name: str) -> None:
    with pytest.raises(DamagedStreamError, match=rf"corrupt: {PARTS[name]} 2 .*no (stream|frame) begins here"):
        content_of(COMPRESS[name](b"one\n") + b"and then some text")


@pytest.mark.parametrize(("name", "padding"), [("gzip", b"\0" * 512), ("xz", b"\0" * 8)])
def test_padding_between_and_behind_streams_is_passed_over(name: str, padding: bytes) -> None:
    compress = COMPRESS[name]
    assert content_of(compress(b"one\n") + padding + compress(b"two\n") + padding) == b"one\ntwo\n"


@pytest.mark.parametrize("name", COMPRESS)
def test_a_bomb_is_read_a_piece_at_a_time(name: str) -> None:
    size = 64 << 20
    data = COMPRESS[name](bytes(size))
    assert len(data) < size // 500
    tracemalloc.start()
    total = 0
    for piece in decompressed(io.BytesIO(data)):
        assert len(piece) <= PIECE_BYTES
        total += len(piece)
    assert total == size
    assert tracemalloc.get_traced_memory()[1] < 24 << 20  # the buffers of xz and zstd
    tracemalloc.stop()


def test_a_zstd_frame_of_nothing_but_repeated_bytes_gives_one_block_a_step() -> None:
    """A kilobyte that promises 32 MB: RLE blocks, RFC 8878, section 3.1.1.2.2."""
    frame_header = b"\x28\xb5\x2f\xfd\x00\x58"  # a window of 2 MiB, nothing else
    block = ((1 << 17) << 3 | 1 << 1).to_bytes(3, "little") + b"x"
    last = (1 << 3 | 1 << 1 | 1).to_bytes(3, "little") + b"\n"
    sizes = [len(piece) for piece in decompressed(io.BytesIO(frame_header + block * 256 + last))]
    assert sum(sizes) == 256 * (1 << 17) + 1
    assert max(sizes) == 1 << 17


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"\x28\xb5\x2f\xfd\x00\x58" + (5 << 3 | 3 << 1).to_bytes(3, "little") + b"12345", "a block of type 3"),
        (b"\x28\xb5\x2f\xfd\x00\x58" + ((1 << 18) << 3).to_bytes(3, "little") + bytes(1 << 18), "a block of type 0 and 262144"),
        (b"\x28\xb5\x2f\xfd\x00\xff" + (1 << 3 | 1).to_bytes(3, "little") + b"x", "requires too much memory"),
    ],
    ids=["reserved block", "block over the limit", "window of terabytes"],
)
def test_a_zstd_frame_that_breaks_the_format_is_told(data: bytes, why: str) -> None:
    with pytest.raises(DamagedStreamError, match=f"corrupt: zstd frame 1 .*{why}"):
        content_of(data)


def test_an_xz_stream_that_needs_too_much_memory_is_told() -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 4096}]
    data = bytearray(lzma.compress(b"one\n", format=lzma.FORMAT_XZ, check=lzma.CHECK_NONE, filters=filters))
    place = data.index(b"\x21\x01", 12) + 2  # the dictionary's size in the block header, which ends with its CRC32
    data[place] = 40  # 4 GiB
    header_end = 12 + (data[12] + 1) * 4
    data[header_end - 4 : header_end] = zlib.crc32(data[12 : header_end - 4]).to_bytes(4, "little")
    with pytest.raises(DamagedStreamError, match=r"xz stream 1 .*[Mm]emory"):
        content_of(bytes(data))


def test_plain_text_of_any_beginning_is_no_compression() -> None:
    for text in (b'{"id": "a"}', b"id,body", b"\xef\xbb\xbfid", b"\n", b"PAR1", b"B,Z,h"):
        assert find_compression(text[:6]) == ""
        assert content_of(text) == text


@pytest.mark.parametrize("compress", [*COMPRESS.values(), bytes], ids=[*COMPRESS, "plain"])
def test_the_head_is_the_beginning_of_the_content(tmp_path: Path, compress: Compress) -> None:
    path = tmp_path / "RC_2006-01"
    path.write_bytes(compress(b"0123456789" * 1000))
    assert head(str(path), 12) == b"012345678901"
    path.write_bytes(compress(b"0123"))
    assert head(str(path), 12) == b"0123"
    path.write_bytes(compress(b"0123")[:3])
    assert head(str(path), 12) == (b"012" if compress is bytes else b"")
