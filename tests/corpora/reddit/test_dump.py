import os
import pickle
from collections.abc import Iterable, Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from threadmill.corpora.reddit.dump import Block, DamagedSourceError, read_blocks
from threadmill.corpora.reddit.sources import check_source
from threadmill.errors import InputError

REAL_DUMP = Path(__file__).parents[3] / ".." / "shared" / "data" / "reddit" / "RC_2005-12.zst"
TOO_LONG = object()
SKIPPABLE = (0x184D2A57).to_bytes(4, "little") + (5).to_bytes(4, "little") + b"notes"
EMPTY_SKIPPABLE = (0x184D2A50).to_bytes(4, "little") + bytes(4)


def frame(content: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(content)


def frame_of_large_window(content: bytes) -> bytes:
    """A frame whose header declares a window of 2 GiB: RFC 8878, section 3.1.1.1.2."""
    compressor = zstandard.ZstdCompressor(write_content_size=False).compressobj()
    data = bytearray(compressor.compress(content) + compressor.flush())
    data[5] = (31 - 10) << 3
    assert zstandard.get_frame_parameters(bytes(data)).window_size == 1 << 31
    return bytes(data)


def numbered(blocks: Iterable[Block]) -> list[tuple[int, object]]:
    lines: list[tuple[int, object]] = []
    for block in blocks:
        if block.too_long:
            lines.append((block.first_line, TOO_LONG))
            continue
        assert block.data.endswith(b"\n")
        assert block.lines == block.data.count(b"\n")
        lines += enumerate(block.data.split(b"\n")[:-1], block.first_line)
    return lines


def lines_of(path: Path, content: bytes, **limits: int) -> list[object]:
    path.write_bytes(content)
    lines = numbered(read_blocks(str(path), **limits))
    assert [number for number, _ in lines] == list(range(1, len(lines) + 1))
    return [line for _, line in lines]


def expected(content: bytes, max_line_bytes: int) -> list[object]:
    lines = content.removesuffix(b"\n").split(b"\n") if content else []
    return [line if len(line) <= max_line_bytes else TOO_LONG for line in lines]


@pytest.mark.parametrize(
    "parts",
    [
        [frame(b"one\ntwo\nthree\n")],
        [frame(b"one\ntw"), frame(b"o\nthree\n")],
        [frame(b"one\n"), frame(b""), frame(b"two\nthree")],
        [SKIPPABLE, frame(b"one\ntwo\nthree\n")],
        [frame(b"one\ntwo"), SKIPPABLE, EMPTY_SKIPPABLE, frame(b"\nthree\n"), SKIPPABLE],
        [frame_of_large_window(b"one\n"), frame_of_large_window(b"two\nthree\n")],
        [b"one\ntwo\nthree\n"],
        [b"one\ntwo\nthree"],
    ],
    ids=["one", "two", "an empty one", "skippable first", "skippable between", "2 GiB window", "plain", "no newline at the end"],
)
def test_frames_are_read_as_one_text(tmp_path: Path, parts: Sequence[bytes]) -> None:
    assert lines_of(tmp_path / "dump", b"".join(parts)) == [b"one", b"two", b"three"]


def test_a_real_dump_with_a_large_window_is_read_whole(tmp_path: Path) -> None:
    content = REAL_DUMP.read_bytes() if REAL_DUMP.exists() else frame_of_large_window(b'{"id": "a"}\n' * 1075)
    lines = lines_of(tmp_path / "RC_2005-12.zst", content)
    assert len(lines) == 1075
    assert all(isinstance(line, bytes) and line.startswith(b"{") and line.endswith(b"}") for line in lines)


def test_blank_lines_and_carriage_returns_are_kept_and_numbered(tmp_path: Path) -> None:
    assert lines_of(tmp_path / "dump", b"one\r\n\r\n\n\ntwo\r\n") == [b"one\r", b"\r", b"", b"", b"two\r"]


@pytest.mark.parametrize("shift", [0, 1, 2])
@pytest.mark.parametrize("compressed", [False, True])
def test_characters_of_several_bytes_survive_the_edges_of_reads(tmp_path: Path, shift: int, compressed: bool) -> None:
    text = "x" * shift + "€" * 500_000  # its bytes cross every edge of 64 KiB and of 1 MiB
    content = (text + "\n" + text).encode()
    lines = lines_of(tmp_path / "dump", frame(content) if compressed else content, block_bytes=1 << 18)
    assert lines == [text.encode()] * 2


@given(
    lines=st.lists(st.binary(max_size=30).map(lambda line: line.replace(b"\n", b"")), max_size=20),
    cuts=st.lists(st.integers(0, 300), max_size=8),
    block_bytes=st.integers(1, 200),
    max_line_bytes=st.integers(0, 25),
    newline_at_end=st.booleans(),
)
def test_lines_are_the_same_however_they_are_cut(
    tmp_path_factory: pytest.TempPathFactory,
    lines: list[bytes],
    cuts: list[int],
    block_bytes: int,
    max_line_bytes: int,
    newline_at_end: bool,
) -> None:
    content = b"\n".join(lines) + (b"\n" if newline_at_end and lines else b"")
    edges = sorted({0, len(content), *(cut % (len(content) + 1) for cut in cuts)})
    pieces = [content[start:end] for start, end in pairwise(edges)] or [content]
    found = lines_of(
        tmp_path_factory.mktemp("cut") / "file",
        b"".join(map(frame, pieces)),  # each frame is a read of its own
        block_bytes=block_bytes,
        max_line_bytes=max_line_bytes,
    )
    assert found == expected(content, max_line_bytes)


@given(lines=st.lists(st.binary(max_size=400).map(lambda line: line.replace(b"\n", b"")), min_size=1, max_size=40))
def test_a_block_is_near_the_size_asked_for(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    path = tmp_path_factory.mktemp("sized") / "file"
    path.write_bytes(b"".join(frame(line + b"\n") for line in lines))
    sizes = [len(block.data) for block in read_blocks(str(path), block_bytes=1000)]
    assert all(1000 <= size < 1000 + 401 for size in sizes[:-1])


def test_the_head_of_a_line_over_the_limit_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "dump"
    path.write_bytes(b"short\n" + b"abcdefgh" * 1000 + b"\nlast\n")
    first, long, last = read_blocks(str(path), block_bytes=100, max_line_bytes=1000)
    assert (first.data, last.data) == (b"short\n", b"last\n")
    assert long.too_long
    assert long.data.startswith(b"abcdefghabcdefgh")
    assert len(long.data) <= 200


def test_a_file_cut_anywhere_is_an_error_unless_it_ends_with_a_frame(tmp_path: Path) -> None:
    frames = [frame(b"one\n" + bytes(range(20, 60)) + b"\n"), SKIPPABLE, frame_of_large_window(b"two\nthree\n")]
    content = b"".join(frames)
    whole = {len(b"".join(frames[:count])) for count in (1, 2, 3)}
    path = tmp_path / "RC_2006-01.zst"
    for length in range(1, len(content) + 1):
        if length in whole:
            assert lines_of(path, content[:length])[0] == b"one"
            continue
        with pytest.raises(InputError, match=r"RC_2006-01\.zst.*truncated.*download"):
            lines_of(path, content[:length])


def test_the_fault_of_a_source_comes_whole_out_of_a_worker_process(tmp_path: Path) -> None:
    path = tmp_path / "RC_2006-01.zst"
    path.write_bytes(frame(b"one\n")[:-1])
    with pytest.raises(DamagedSourceError) as caught:
        lines_of(path, path.read_bytes())
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.fault) == (str(caught.value), caught.value.fault)


def test_a_spoilt_byte_is_never_read_as_other_text(tmp_path: Path) -> None:
    original = b'{"id": "a", "body": "some text"}\n' * 20
    content = frame(original[:300]) + frame(original[300:])
    path = tmp_path / "RC_2006-01.zst"
    messages = []
    for position in range(4, len(content)):
        for flip in (0x01, 0x80, 0xFF):
            spoilt = bytearray(content)
            spoilt[position] ^= flip
            path.write_bytes(spoilt)
            try:
                text = b"".join(block.data for block in read_blocks(str(path)))
            except InputError as error:
                messages.append(str(error))
            else:
                assert text == original
    assert len(messages) > len(content)
    assert all(message.startswith(f"{path}: ") and "\n" not in message for message in messages)


def test_what_is_no_readable_file_is_told_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "empty.zst").touch()
    os.mkfifo(tmp_path / "pipe")
    for name, message in {
        "": "is a folder; name the dump file in it",
        "RC_2006-01.zst": "does not exist; check the path",
        "empty.zst": r"is empty \(0 bytes\); download it again",
        "pipe": "is not a regular file",
    }.items():
        with pytest.raises(InputError, match=message):
            check_source(str(tmp_path / name))
    (tmp_path / "good").write_bytes(b"x")
    check_source(str(tmp_path / "good"))
