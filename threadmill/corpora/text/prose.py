"""Reads raw prose: paragraphs of any layout, hard-wrapped lines among them, which are joined again."""

import re
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import polars as pl
import pyarrow as pa

from threadmill.corpora.source import Source
from threadmill.corpora.text.config import CorpusConfig
from threadmill.corpora.text.lines import line_bounds
from threadmill.corpora.text.text_blocks import TextBlock, check_utf8, last_paragraph_end, read_head, read_text_blocks
from threadmill.corpora.text.texts import Texts
from threadmill.corpora.text.wrapping import paragraph_ends, wrap_width

DOCUMENT_LINES = 100  # a passage: some dozens of a paragraph, so that next sentences are of one subject
_HEAD_BYTES = 1 << 18
_HYPHEN = re.compile(rb"-\r?\n(?=[a-zA-Z\x80-\xff])")


def read_prose(source: Source, config: CorpusConfig) -> Iterator[Callable[[], Texts]]:
    """The source's blocks, each of whole paragraphs; a paragraph is a document, and its only line."""
    width = wrap_width(read_head(source.uri, _HEAD_BYTES).decode(errors="ignore"))
    for block in read_text_blocks(source.uri, last_paragraph_end):
        yield partial(_texts, block, source, width)


def _texts(block: TextBlock, source: Source, width: int) -> Texts:
    check_utf8(block, source.uri)
    data = _HYPHEN.sub(_joined, block.data) if width else block.data
    bounds = line_bounds(data)
    lines = pa.LargeStringArray.from_buffers(len(bounds) - 1, pa.py_buffer(bounds), pa.py_buffer(data))
    trimmed = pl.Series("", lines, dtype=pl.String).str.strip_chars()
    lengths = trimmed.str.len_chars().to_numpy().astype(np.int64)
    if width:
        ends = paragraph_ends(trimmed, lengths, width)
        bounds = np.concatenate([bounds[:1], bounds[1:][ends]])
        lines = pa.LargeStringArray.from_buffers(len(bounds) - 1, pa.py_buffer(bounds), pa.py_buffer(data))
    filled = int(np.count_nonzero(lengths))
    return Texts(lines, np.arange(1, len(lines) + 1), filled, split=source.split, cut_lines=int(block.cut))


def _joined(hyphen: re.Match[bytes]) -> bytes:
    """A hyphen at a line's end as it is within a line: what is behind a dash, which stands apart, begins a new word."""
    before = hyphen.string[hyphen.start() - 1 : hyphen.start()]
    return b"-" if before.isalnum() or before >= b"\x80" else hyphen[0]
