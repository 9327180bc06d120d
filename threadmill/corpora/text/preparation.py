"""Prepares documents for writing: normalised, one sentence a line, measured; a pure function that threads run side by side."""

from collections import Counter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from threadmill.corpora.text.config import CorpusConfig
from threadmill.corpora.text.line_kernels import measure_lines, merge_ends
from threadmill.corpora.text.normalization import normalize
from threadmill.corpora.text.sentences import cut_long_lines, split_sentences
from threadmill.corpora.text.texts import Integers, Prepared, Texts
from threadmill.datasets.arrow_text import text_buffers

Flags = npt.NDArray[np.bool_]


def prepare(texts: Texts, config: CorpusConfig, *, split: bool, passage_lines: int = 0) -> Prepared:
    """The documents as they are written.

    Args:
        split: cut lines into sentences.
        passage_lines: make one of documents that follow each other until it has so many lines; 0 for none.
    """
    counts: Counter[str] = Counter()
    lines = normalize(texts.lines, config, counts)
    lines, ends, single = _without_empty(lines, texts.ends, texts.single)
    if split:
        lines, ends = split_sentences(lines, ends, config.language, single)
    if passage_lines:
        ends = _passages(ends, passage_lines)
    lines, ends, cut = cut_long_lines(lines, ends)
    if texts.cut_lines + cut:
        counts["cut_lines"] = texts.cut_lines + cut
    data, offsets = text_buffers(lines)
    count, size = len(lines), int(offsets[-1] - offsets[0])
    output, line_ends, hashes = np.empty(size + count, np.uint8), np.empty(count, np.int64), np.empty(count, np.uint64)
    characters, words = np.empty(count, np.int64), np.empty(count, np.int64)
    measure_lines(data, offsets, output, line_ends, hashes, characters, words)
    return Prepared(
        data=output,
        line_ends=line_ends,
        hashes=hashes,
        characters=characters,
        words=words,
        ends=ends,
        rows=texts.rows,
        letters=texts.letters,
        continues=texts.continues,
        is_open=texts.is_open,
        split=texts.split,
        counts=dict(counts),
    )


def _without_empty(lines: pa.Array, ends: Integers, single: Flags | None) -> tuple[pa.Array, Integers, Flags | None]:
    """Lines that hold something, and where each document's end among them."""
    filled = pc.greater(pc.binary_length(lines), 0).to_numpy(zero_copy_only=False)
    if filled.all():
        return lines, ends, single
    totals = np.zeros(len(filled) + 1, np.int64)
    np.cumsum(filled, out=totals[1:])
    return lines.filter(pa.array(filled)), totals[ends], None if single is None else single[filled]


def _passages(ends: Integers, least: int) -> Integers:
    merged = np.empty_like(ends)
    return merged[: merge_ends(ends, least, merged)]
