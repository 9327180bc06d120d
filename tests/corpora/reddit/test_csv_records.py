import csv
import io
from collections.abc import Iterable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threadmill.corpora.reddit.csv_kernels import GOOD, START, find_fields, put_fields, record_ends
from threadmill.corpora.reddit.csv_records import Records, record_blocks
from threadmill.corpora.reddit.dump import DamagedSourceError
from threadmill.corpora.reddit.text_kernels import WIDE, text_column

NEWLINES_IN_QUOTES = b'a,"1\n2\r\n3""",\xc3\xa9\r\nb,c,"d"\n'


def pieces_of(content: bytes, cuts: Iterable[int]) -> list[bytes]:
    bounds = [0, *sorted(cut % (len(content) + 1) for cut in cuts), len(content)]
    return [content[start:end] for start, end in pairwise(bounds) if end > start]


def fields_of(block: Records, columns: int) -> list[tuple[list[str | None], int, int]]:
    """Of each record its fields, the line on which it begins, and its fault."""
    data = np.frombuffer(block.data, np.uint8)
    records, spans = np.zeros((block.count, 4), np.int64), np.zeros((block.count, columns, 3), np.int64)
    assert find_fields(data, np.arange(columns), records, spans) == block.count
    views, valid = np.zeros((columns, block.count, 2), np.uint64), np.zeros((columns, block.count), np.bool_)
    arena = np.zeros(len(data) + WIDE, np.uint8)
    put_fields(data, spans, views, valid, arena)
    texts = [text_column(views[column], valid[column], [arena]) for column in range(columns)]
    found = zip(zip(*(column.to_list() for column in texts), strict=True), records.tolist(), strict=True)
    return [(list(row), block.first_line + lines, fault) for row, (_, _, lines, fault) in found]


plain = st.text(st.characters(exclude_categories=("Cs",)), max_size=12)
fields = st.text(st.sampled_from('a,"\n é😀'), max_size=30) | plain.map(lambda text: text.replace("\r", ""))


@settings(max_examples=150, deadline=None)
@given(
    rows=st.lists(st.lists(fields, min_size=3, max_size=3), min_size=1, max_size=8),
    newline=st.sampled_from(["\n", "\r\n"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    last=st.booleans(),
    cuts=st.lists(st.integers(0, 1000), max_size=6),
    block_bytes=st.integers(1, 200),
)
def test_any_text_in_any_pieces_is_read_as_pythons_csv_module_reads_it(
    rows: list[list[str]], newline: str, quoting: int, last: bool, cuts: list[int], block_bytes: int
) -> None:
    stream = io.StringIO()
    csv.writer(stream, lineterminator=newline, quoting=quoting).writerows(rows)  # type: ignore[arg-type]
    content = stream.getvalue().removesuffix("" if last else newline).encode()
    found, line = [], 1
    for block in record_blocks("x.csv", pieces_of(content, cuts), block_bytes):
        assert block.first_line == line
        line += block.data.count(b"\n")
        found += fields_of(block, 3)
    reader = csv.reader(io.StringIO(content.decode(), newline=""), strict=True)
    wanted, begun = [], 1
    for row in reader:
        wanted.append((row, begun))
        begun = reader.line_num + 1
    assert [[text or "" for text in row] for row, _, _ in found] == [row for row, _ in wanted] == rows
    assert all(fault == GOOD for _, _, fault in found)
    if "\r" not in "".join(text for row in rows for text in row):
        assert [line for _, line, _ in found] == [line for _, line in wanted]


@settings(max_examples=150, deadline=None)
@given(content=st.text(st.sampled_from('a",\n\r'), max_size=40), cuts=st.lists(st.integers(0, 40), max_size=4))
def test_how_a_file_is_cut_into_pieces_changes_nothing_however_malformed_it_is(content: str, cuts: list[int]) -> None:
    def read(pieces: list[bytes]) -> tuple[list[tuple[list[str | None], int, int]], str]:
        found: list[tuple[list[str | None], int, int]] = []
        try:
            for block in record_blocks("x.csv", pieces, 1):
                found += fields_of(block, 2)
        except DamagedSourceError as error:
            return found, error.fault
        return found, ""

    data = content.encode()
    assert read(pieces_of(data, cuts)) == read([data] if data else [])


def test_records_with_newlines_lie_across_pieces() -> None:
    blocks = list(record_blocks("x.csv", [NEWLINES_IN_QUOTES[place : place + 1] for place in range(len(NEWLINES_IN_QUOTES))], 1))
    assert [(block.first_line, block.count) for block in blocks] == [(1, 1), (4, 1)]
    assert [row for block in blocks for row, _, _ in fields_of(block, 3)] == [["a", '1\n2\r\n3"', "é"], ["b", "c", "d"]]


@pytest.mark.parametrize("piece_bytes", [1, 7, 1000])
def test_a_record_over_the_limit_is_passed_over_in_bounded_memory(piece_bytes: int) -> None:
    content = b'a,b\n"' + b'x\n""' * 300 + b'",y\nc,d\n'
    pieces = [content[place : place + piece_bytes] for place in range(0, len(content), piece_bytes)]
    blocks = list(record_blocks("x.csv", pieces, 100, max_record_bytes=50))
    if piece_bytes == 1000:  # it lies in memory all the same: whoever reads the block judges it
        assert sum(block.count for block in blocks) == 3
        return
    assert [(block.first_line, block.count, block.too_long) for block in blocks] == [(1, 1, False), (2, 1, True), (303, 1, False)]
    assert max(len(block.data) for block in blocks) <= 200


def test_a_file_that_ends_within_quotes_is_damaged_and_gives_what_was_whole() -> None:
    blocks = record_blocks("x.csv", [b'a,b\nc,"d\ne,f\n'])
    assert next(blocks).data == b"a,b\n"
    with pytest.raises(DamagedSourceError, match=r"x\.csv: ends within quotes, in the record that begins on line 2"):
        next(blocks)


def test_the_first_record_is_found_alone() -> None:
    count, end, _ = record_ends(np.frombuffer(NEWLINES_IN_QUOTES, np.uint8), START, True)
    assert (count, NEWLINES_IN_QUOTES[:end].count(b"\n")) == (1, 3)
