"""Text files as blocks of documents."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill.datasets.counters import Counters
from threadmill.documents import text
from threadmill.documents.text import read_text
from threadmill.errors import InputError


def documents_of(path: Path, counters: Counters | None = None, **place: int) -> list[list[str]]:
    """The documents of a file, those that go on in the next block put together."""
    documents: list[list[str]] = []
    groups: list[int] = []
    for block in read_text(str(path), counters=counters, **place):
        start = 0
        for number, end in enumerate(block.ends.tolist()):
            lines = [block.lines[line].as_py() for line in block.sentences[start:end]]
            start = end
            if number == 0 and block.continues:
                documents[-1] += lines
                assert groups[-1] == block.groups[0]
            else:
                documents.append(lines)
                groups.append(int(block.groups[number]))
    assert groups == list(range(len(groups)))
    return documents


def plainly(content: str) -> list[list[str]]:
    """The same by Python's own rules."""
    documents: list[list[str]] = [[]]
    for line in content.split("\n"):
        if line.strip():
            documents[-1].append(line.lstrip().rstrip(" \t\n\r\x0b\x0c"))
        else:
            documents.append([])
    return [lines for lines in documents if lines]


def test_blank_lines_part_documents(tmp_path: Path) -> None:
    path = tmp_path / "novel.txt"
    path.write_bytes("\ufeffOne.\r\n Two. \n\n \t\n\u3000\nThree.".encode())
    counters = Counters()
    assert documents_of(path, counters) == [["One.", "Two."], ["Three."]]
    assert (counters.read, counters.kept) == (2, 2)


_PIECES = st.sampled_from(
    ["\n", " ", "\t", "\r", "a", "bc", "\x00", "\x1c", "\x85", "\u00a0", "\u2003", "\u2028", "\u3000", "é", "語", "𝄞"]
)


@given(pieces=st.lists(_PIECES, max_size=40), block=st.integers(1, 30))
def test_documents_are_those_of_python_whatever_the_blocks(
    pieces: list[str], block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = "".join(pieces)
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_bytes(content.encode())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text, "BLOCK_BYTES", block)
        patch.setattr(text, "_PIECE_BYTES", 3)
        assert documents_of(path, start=0, stop=len(content.encode())) == plainly(content)


def test_compressed_text_is_told_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "novel.txt"
    path.write_bytes(gzip.compress(b"One.\n\nTwo."))
    assert documents_of(path) == [["One."], ["Two."]]


def test_a_truncated_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "novel.txt.gz"
    path.write_bytes(gzip.compress(b"One.\n\nTwo.")[:-9])
    with pytest.raises(InputError, match=r"novel\.txt\.gz: .*; copy the file again"):
        documents_of(path)


def test_bytes_that_are_not_utf8_are_told_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes(b"One.\n\nTwo.\nCaf\xe9.\n")
    with pytest.raises(InputError, match=r"latin\.txt, line 4: byte 0xe9 is not UTF-8; .*iconv"):
        documents_of(path)


@pytest.mark.parametrize("size", [text.MAX_LINE_BYTES + 1, 12 << 20])
def test_a_line_that_is_no_sentence_is_told(tmp_path: Path, size: int) -> None:
    path = tmp_path / "long.txt"
    path.write_bytes(b"One.\n" + b"x " * (size // 2) + b"x\nTwo.\n")
    with pytest.raises(InputError, match=r"long\.txt, line 2: .* bytes or more without a line's end.*threadmill corpus"):
        documents_of(path)
