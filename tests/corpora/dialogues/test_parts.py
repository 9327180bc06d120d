import gzip
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.corpora.dialogues.reading import write_files
from threadmill.conversations.formats import encode
from threadmill.corpora.dialogues.content import read_content, read_lines
from threadmill.corpora.dialogues.parts import DialoguePart, cut_source
from threadmill.corpora.source import Source
from threadmill.errors import InputError


def parts_of(path: str, format: str, part_bytes: int) -> list[tuple[int, bytes]]:
    """Number of the first line or record, and content, of each part."""
    parts: list[DialoguePart] = list(cut_source(Source("x", path, format), "", part_bytes))
    return [(part.first, b"".join(read_content(path, part.start, part.stop))) for part in parts]


FIRST = b"text:a\tlabels:b\ntext:c\tlabels:d\tepisode_done:True\n"
SECOND = b"text:e\tlabels:f\tepisode_done:True\n"
THIRD = b"text:g\tlabels:h"
NUMBERED = b"1 a\tb\n2 c\td\n1 e\tf\n11 g\th\n1 i"


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize(
    ("format", "content", "expected"),
    [
        ("parlai", FIRST + SECOND + THIRD, [(1, FIRST), (3, SECOND), (4, THIRD)]),
        ("numbered", NUMBERED, [(1, b"1 a\tb\n2 c\td\n"), (3, b"1 e\tf\n11 g\th\n"), (5, b"1 i")]),
        ("jsonl", b"{}\n\n{}", [(1, b"{}\n"), (2, b"\n"), (3, b"{}")]),
    ],
)
def test_parts_end_where_a_dialogue_does(
    tmp_path: Path, compress: type, format: str, content: bytes, expected: list[tuple[int, bytes]]
) -> None:
    (path,) = write_files(tmp_path, {"x": compress(content)})
    assert parts_of(path, format, 1) == expected


def test_parts_of_records_end_with_a_record(tmp_path: Path) -> None:
    pieces = [bytes(encode(pl.DataFrame({"context": ["a" * size], "response": ["b"]}), "tfrecord")) for size in (1, 3000, 20)]
    (path,) = write_files(tmp_path, {"x": b"".join(pieces)})
    assert parts_of(path, "tfrecord", 1) == list(enumerate(pieces, 1))
    assert parts_of(path, "tfrecord", 100) == [(1, pieces[0] + pieces[1]), (3, pieces[2])]


def test_a_record_that_is_cut_off_is_told(tmp_path: Path) -> None:
    content = bytes(encode(pl.DataFrame({"context": ["a", "b"]}), "tfrecord"))
    for size in (len(content) - 1, len(content) // 2 + 3):
        (path,) = write_files(tmp_path, {"x": content[:size]})
        with pytest.raises(InputError, match="ends within record"):
            parts_of(path, "tfrecord", 1)


@given(st.lists(st.sampled_from([b"text:a\tlabels:b", b"text:\r\xe2\x80\xa8", b"", b"x\tepisode_done:True"])), st.integers(1, 60))
def test_parts_are_the_whole(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes], part_bytes: int) -> None:
    content = b"\n".join(lines)
    (path,) = write_files(tmp_path_factory.mktemp("parts"), {"x": content})
    parts = parts_of(path, "parlai", part_bytes)
    assert b"".join(part for _, part in parts) == content
    ends = [part.count(b"\n") for _, part in parts]
    assert [first for first, _ in parts] == [1 + sum(ends[:number]) for number in range(len(parts))]
    assert b"".join(read_lines(path)) == content
    assert [line.rstrip(b"\n") for line in read_lines(path)] == (lines if not lines or lines[-1] else lines[:-1])


def test_lines_longer_than_a_piece_are_whole(tmp_path: Path) -> None:
    lines = [b"a" * (3 << 20) + b"\n", b"b\n", b"c" * (2 << 20)]
    (path,) = write_files(tmp_path, {"x": gzip.compress(b"".join(lines), 1)})
    assert list(read_lines(path)) == lines
    assert list(read_lines(path, len(lines[0]))) == lines[1:]


def test_a_line_without_end_is_refused(tmp_path: Path) -> None:
    (path,) = write_files(tmp_path, {"x": gzip.compress(bytes(70 << 20), 1)})
    with pytest.raises(InputError, match="it is no dialogue set"):
        list(read_lines(path))
