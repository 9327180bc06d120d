"""Cuts lines into sentences, with sentencex, and lines over the limit wherever it is least harm."""

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from threadmill.corpora.text.texts import Integers

MAX_LINE_BYTES = 1 << 20
# No sentence ends within a line without one of these before a blank: so most short lines need not be looked at.
_MAY_END = r"[.!?…؟۔։।॥።。！？｡؛;:\])}\"'’”»*•][\"'’”»)\]]*\s|[。！？｡]"
_END = re.compile(r"[.!?…؟۔।。！？｡][\"'’”»)\]]*\s+")


def split_sentences(
    lines: pa.Array, ends: Integers, language: str, single: npt.NDArray[np.bool_] | None = None
) -> tuple[pa.Array, Integers]:
    """The sentences of normalised lines (large_string[n]), and where each document's sentences end (int64[D]).

    Args:
        ends: where each document's lines end.
        single: bool[n], lines that are one sentence each.
    """
    from sentencex import segment  # type: ignore[import-untyped]

    candidates = pc.match_substring_regex(lines, _MAY_END).to_numpy(zero_copy_only=False)
    if single is not None:
        candidates &= ~single
    counts = np.ones(len(lines), np.int64)
    pieces: list[str] = []
    places = np.flatnonzero(candidates)
    for place, line in zip(places, lines.take(pa.array(places)).to_pylist(), strict=True):
        found = [sentence.strip() for sentence in segment(language, line)]
        counts[place] = len(found)
        pieces.extend(found)
    return _interleaved(lines, candidates, pieces, counts), _moved(ends, counts)


def cut_long_lines(lines: pa.Array, ends: Integers, limit: int = MAX_LINE_BYTES) -> tuple[pa.Array, Integers, int]:
    """Lines (large_string) over ``limit`` bytes cut in several, at ends of sentences or else at blanks; how many there were."""
    long = pc.greater(pc.binary_length(lines), limit).to_numpy(zero_copy_only=False)
    if not long.any():
        return lines, ends, 0
    counts = np.ones(len(lines), np.int64)
    pieces: list[str] = []
    places = np.flatnonzero(long)
    for place in places:
        found = list(_cut(lines[int(place)].as_py().encode(), limit))
        counts[place] = len(found)
        pieces.extend(found)
    return _interleaved(lines, long, pieces, counts), _moved(ends, counts), len(places)


def cut_place(data: bytes, limit: int) -> int:
    """Where to cut UTF-8 of more than ``limit`` bytes: after the last sentence, else before the last blank, else character."""
    reach = data[:limit]
    text = reach.decode(errors="ignore")  # a character may be cut at the end
    start = len(text) * 3 // 4
    if found := list(_END.finditer(text, start)):
        return len(text[: found[-1].end()].encode())
    blank = max(text.rfind(" ", start), text.rfind("\t", start))
    return len((text[: blank + 1] if blank > 0 else text).encode())


def _cut(data: bytes, limit: int) -> Iterator[str]:
    while len(data) > limit:
        place = cut_place(data, limit)
        if piece := data[:place].decode().strip():
            yield piece
        data = data[place:]
    if piece := data.decode().strip():
        yield piece


def _interleaved(lines: pa.Array, replaced: npt.NDArray[np.bool_], pieces: list[str], counts: Integers) -> pa.Array:
    """The lines, with the pieces in place of those that are ``replaced``, ``counts`` of each."""
    kept = lines.filter(pa.array(~replaced))
    whole = pa.concat_arrays([kept, pa.array(pieces, pa.large_string())])
    order = np.empty(len(whole), np.int64)
    from_pieces = np.repeat(replaced, counts)
    order[~from_pieces] = np.arange(len(kept))
    order[from_pieces] = np.arange(len(kept), len(whole))
    return whole.take(pa.array(order))


def _moved(ends: Integers, counts: Integers) -> Integers:
    """Ends in pieces instead of in lines."""
    totals = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=totals[1:])
    return totals[ends]
