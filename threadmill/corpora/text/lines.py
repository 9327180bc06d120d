"""Reads text of one sentence a line, with blank lines between documents."""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import pyarrow as pa

from threadmill.corpora.source import Source
from threadmill.corpora.text.characters import character_table
from threadmill.corpora.text.config import CorpusConfig
from threadmill.corpora.text.line_kernels import document_ends
from threadmill.corpora.text.text_blocks import TextBlock, check_utf8, read_text_blocks
from threadmill.corpora.text.texts import Integers, Texts

_NEWLINE = 10


def read_lines(source: Source, config: CorpusConfig) -> Iterator[Callable[[], Texts]]:
    """The source's blocks; each is read to documents when called, and a document may go on from block to block."""
    for block in read_text_blocks(source.uri):
        yield partial(block_documents, block, source, config)


def line_bounds(data: bytes) -> Integers:
    """int64[n + 1]: the bounds of the lines, each with its newline; a last one may lack it."""
    places = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE) + 1
    bounds = np.zeros(len(places) + 1 + (not data.endswith(b"\n")), np.int64)
    bounds[1 : len(places) + 1] = places
    bounds[-1] = len(data)
    return bounds


def block_documents(block: TextBlock, source: Source, config: CorpusConfig) -> Texts:
    """The documents of a block; the first may go on from the block before, and the last in the next."""
    content = check_utf8(block, source.uri).buffers()[2]
    bounds = line_bounds(block.data)
    count = len(bounds) - 1
    lines = pa.LargeStringArray.from_buffers(count, pa.py_buffer(bounds), content)
    ends = np.empty(count, np.int64)
    documents, filled, first_blank, is_open = document_ends(
        np.frombuffer(block.data, np.uint8), bounds, character_table(config), ends
    )
    return Texts(
        lines, ends[:documents], filled, continues=not first_blank, is_open=is_open, split=source.split, cut_lines=int(block.cut)
    )
