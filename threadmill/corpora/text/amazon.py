"""Reads the Amazon customer reviews data set: tab-separated files of 15 columns with a line of names, and no quoting."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa

from threadmill.corpora.addresses import public_uri
from threadmill.corpora.source import Source
from threadmill.corpora.text.config import CorpusConfig
from threadmill.corpora.text.line_kernels import gather_slices
from threadmill.corpora.text.lines import line_bounds
from threadmill.corpora.text.tables import Columns, beginning, cleans_html, row_documents, wanted_fields
from threadmill.corpora.text.text_blocks import TextBlock, read_head, read_text_blocks
from threadmill.corpora.text.texts import DeadLetter, Integers, Texts
from threadmill.errors import InputError

# https://s3.amazonaws.com/amazon-reviews-pds/tsv/index.txt, as the data set described itself
COLUMNS = (
    *("marketplace", "customer_id", "review_id", "product_id", "product_parent", "product_title", "product_category"),
    *("star_rating", "helpful_votes", "total_votes", "vine", "verified_purchase"),
    *("review_headline", "review_body", "review_date"),
)
_TITLES = {"product_title", "review_headline"}
_TAB, _RETURN = 9, 13
_HEADER_BYTES = 1 << 12


def read_amazon(source: Source, config: CorpusConfig) -> Iterator[Callable[[], Texts]]:
    """The reviews, block by block; a review is a document.

    Raises:
        InputError: the file does not begin with the line of names, or has no such column.
    """
    names = read_head(source.uri, _HEADER_BYTES).split(b"\n", 1)[0].decode(errors="replace").rstrip("\r").split("\t")
    if tuple(names) != COLUMNS:
        raise InputError(
            f"{public_uri(source.uri)} does not begin with the line of the {len(COLUMNS)} names of the reviews' columns "
            f"({COLUMNS[0]}, ..., {COLUMNS[-1]}); name another --format"
        )
    fields = wanted_fields(config, names, "review_body", public_uri(source.uri))
    for block in read_text_blocks(source.uri):
        yield partial(_texts, block, source, config, fields)


def _texts(block: TextBlock, source: Source, config: CorpusConfig, fields: tuple[str, ...]) -> Texts:
    data = np.frombuffer(block.data, np.uint8)
    bounds = line_bounds(block.data)
    starts, stops = _trimmed(data, bounds)
    header = block.first_line == 1
    tabs = np.flatnonzero(data == _TAB)
    first = np.searchsorted(tabs, starts)
    counts = np.searchsorted(tabs, stops) - first
    rows = (stops > starts) & ~(header & (np.arange(len(starts)) == 0))
    good = rows & (counts == len(COLUMNS) - 1)
    letters = [
        _letter(block, bounds, int(line), "columns", f"{counts[line] + 1} columns") for line in np.flatnonzero(rows & ~good)
    ]
    columns = [_column(data, tabs, first[good], starts[good], stops[good], COLUMNS.index(name)) for name in fields]
    columns, wrong = _valid(columns)
    letters.extend(_letter(block, bounds, int(line), "not UTF-8", "") for line in np.flatnonzero(good)[wrong])
    return row_documents(
        Columns(
            texts=columns,
            single=[name in _TITLES for name in fields],
            clean_html=cleans_html(config, "amazon"),
            rows=int(np.count_nonzero(rows)),
            letters=tuple(sorted(letters, key=lambda letter: letter.line)),
            split=source.split,
        )
    )


def _trimmed(data: "np.ndarray[tuple[int], np.dtype[np.uint8]]", bounds: Integers) -> tuple[Integers, Integers]:
    """Where lines begin, and end without what ends them."""
    starts, stops = bounds[:-1], bounds[1:].copy()
    for ending in (10, _RETURN):
        stops -= (stops > starts) & (data[stops - 1] == ending)
    return starts, stops


def _column(
    data: "np.ndarray[tuple[int], np.dtype[np.uint8]]",
    tabs: Integers,
    first: Integers,
    starts: Integers,
    stops: Integers,
    index: int,
) -> pa.Array:
    """The column at ``index`` of lines whose first tabs are given; not checked to be UTF-8."""
    begins = starts if index == 0 else tabs[first + index - 1] + 1
    ends = stops if index == len(COLUMNS) - 1 else tabs[first + index]
    output, offsets = np.empty(int((ends - begins).sum()), np.uint8), np.empty(len(starts) + 1, np.int64)
    gather_slices(data, begins, ends, output, offsets)
    return pa.LargeStringArray.from_buffers(len(starts), pa.py_buffer(offsets), pa.py_buffer(output))


def _valid(columns: list[pa.Array]) -> tuple[list[pa.Array], "np.ndarray[tuple[int], np.dtype[np.bool_]]"]:
    """The rows that are UTF-8 in all columns; and which are not."""
    wrong = np.zeros(len(columns[0]), np.bool_)
    try:
        for column in columns:
            column.validate(full=True)
    except pa.ArrowInvalid:
        for column in columns:
            wrong |= [not _is_utf8(text) for text in column.cast(pa.large_binary()).to_pylist()]
        columns = [column.cast(pa.large_binary()).filter(pa.array(~wrong)).cast(pa.large_string()) for column in columns]
    return columns, wrong


def _is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def _letter(block: TextBlock, bounds: Integers, line: int, reason: str, detail: str) -> DeadLetter:
    return DeadLetter(
        block.first_line + line, reason, detail, beginning(block.data[bounds[line] : bounds[line + 1]].rstrip(b"\r\n"))
    )
