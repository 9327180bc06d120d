"""The distinct words of a sample and how often each occurs: all that trainers of SentencePiece look at."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Words = list[tuple[str, int]]
"""Distinct words, the most frequent first, of equally frequent ones by code point."""

_BATCH_LINES = 200_000
_MAX_HELD = 4_000_000  # counts held until those of one chunk are put together


def count_words(lines: pa.Array | pa.ChunkedArray, words_of: Callable[[str], Sequence[str]]) -> Words:
    """The words of ``lines`` (large_string), which ``words_of`` makes of each distinct stretch between ASCII white space."""
    words: dict[str, int] = {}
    for chunk, count in _count_chunks(lines):
        for word in words_of(chunk) if chunk else ():  # an empty one stands before white space at a line's beginning
            words[word] = words.get(word, 0) + count
    return sorted(words.items(), key=lambda item: (-item[1], item[0]))


def frequent_characters(words: Words, limit: int) -> list[str]:
    """The ``limit`` most frequent characters of the words, by code point; of equal ones the lower code points."""
    totals = np.zeros(0x110000, np.int64)
    for start in range(0, len(words), _BATCH_LINES):
        part = words[start : start + _BATCH_LINES]
        points = np.frombuffer("".join(word for word, _ in part).encode("utf-32-le", "surrogatepass"), np.uint32)
        times = np.repeat([count for _, count in part], [len(word) for word, _ in part])
        totals += np.bincount(points, times, len(totals)).astype(np.int64)
    order = np.argsort(-totals, kind="stable")[: min(limit, np.count_nonzero(totals))]
    return [chr(point) for point in np.sort(order).tolist()]


def _count_chunks(lines: pa.Array | pa.ChunkedArray) -> Iterator[tuple[str, int]]:
    held, rows = pa.table({"chunk": pa.array([], pa.large_string()), "count": pa.array([], pa.int64())}), 0
    for start in range(0, len(lines), _BATCH_LINES):
        batch = lines[start : start + _BATCH_LINES]
        for array in batch.chunks if isinstance(batch, pa.ChunkedArray) else [batch]:
            counts = pc.ascii_split_whitespace(array).flatten().value_counts()
            part = pa.table({"chunk": counts.field(0).cast(pa.large_string()), "count": counts.field(1)})
            held = pa.concat_tables([held, part])
        if len(held) > rows + _MAX_HELD:
            held = _summed(held)
            rows = len(held)
    for batch in _summed(held).to_batches(max_chunksize=_BATCH_LINES):
        yield from zip(batch.column("chunk").to_pylist(), batch.column("count").to_pylist(), strict=True)


def _summed(counts: pa.Table) -> pa.Table:
    return counts.group_by("chunk").aggregate([("count", "sum")]).rename_columns(["chunk", "count"])
