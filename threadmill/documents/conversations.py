# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Reads a shard of conversations as documents: an example is a document, its turns are the sentences, oldest first."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from threadmill.conversations.reading import read_examples
from threadmill.datasets.arrow_text import concatenated, large_strings
from threadmill.datasets.counters import Counters
from threadmill.documents.blocks import DocumentBlock, Integers
from threadmill.kernels import kernel
from threadmill.randomness import combine

_EARLIER_CONTEXT = re.compile(r"context/(\d+)")


def read_conversations(
    uri: str, columns: Sequence[str], *, keep_prefixes: bool = False, counters: Counters | None = None
) -> Iterator[DocumentBlock]:
    """The examples of a shard, those of one thread as neighbours, in one block (none where nothing is left).

    A turn that is only white space is left out. Dropped are examples without a turn (``empty``). With ``keep_prefixes``
    every response counts, and those without one are dropped (``no_response``); else those whose turns are the beginning
    of another example of the same thread (``prefix_of_longer``).

    Args:
        columns: the features that hold turns, oldest first; see `turn_columns`.
        counters: examples are counted as read, kept, and dropped by reason.
    """
    counters = Counters() if counters is None else counters
    examples = read_examples(uri, [*columns, "thread_id"])
    count = len(examples)
    texts = concatenated([large_strings(examples[name]) for name in columns]).dictionary_encode()
    grid = np.asarray(texts.indices).astype(np.int64).reshape(len(columns), count)
    threads = np.asarray(large_strings(examples["thread_id"]).dictionary_encode().indices).astype(np.int64)
    del examples
    written: npt.NDArray[np.bool_] = np.asarray(pc.not_equal(pc.utf8_trim_whitespace(texts.dictionary), ""))
    present: npt.NDArray[np.bool_] = written[grid]
    rows = np.argsort(threads, kind="stable")
    rows = rows[np.asarray(present.any(axis=0))[rows]]
    counters.read += count
    counters.drop("empty", count - len(rows))
    if keep_prefixes:
        answered = present[columns.index("response")][rows]
        counters.drop("no_response", len(rows) - int(answered.sum()))
        rows = rows[answered]
    else:
        whole = ~_are_prefixes(*_select(grid, present, rows), threads[rows])
        counters.drop("prefix_of_longer", len(rows) - int(whole.sum()))
        rows = rows[whole]
    counters.kept += len(rows)
    if len(rows):
        sentences, ends = _select(grid, present, rows)
        numbers = np.cumsum(written) - 1  # of the lines that are left, all used or not
        lines: pa.Array = texts.dictionary.filter(pa.array(written))
        yield DocumentBlock(lines, numbers[sentences], ends, threads[rows])


def turn_columns(names: Sequence[str]) -> list[str]:
    """The features of a conversations dataset that hold turns, oldest first: context/8 .. context/0, context, response."""
    earlier = [name for name in names if _EARLIER_CONTEXT.fullmatch(name)]
    return [*sorted(earlier, key=lambda name: -int(name.partition("/")[2])), "context", "response"]


def _select(grid: Integers, present: npt.NDArray[np.bool_], rows: Integers) -> tuple[Integers, Integers]:
    """The turns of the given examples, end to end, and where each example ends."""
    chosen = present[:, rows].T
    return grid[:, rows].T[chosen], np.cumsum(chosen.sum(axis=1))


def _are_prefixes(sentences: Integers, ends: Integers, threads: Integers) -> npt.NDArray[np.bool_]:
    """bool[D]: True where a document's turns are the beginning of a longer document of its thread."""
    hashes = _path_hashes(sentences, ends, threads)
    last = np.zeros(len(hashes), np.bool_)
    last[ends - 1] = True
    beginnings: npt.NDArray[np.bool_] = np.isin(hashes[last], hashes[~last])
    return beginnings


@kernel
def _path_hashes(sentences, ends, threads):
    """uint64[M]: a hash of the thread and of all turns of the document up to and with each turn."""
    hashes = np.empty(len(sentences), np.uint64)
    start = 0
    for document in range(len(ends)):
        state = np.uint64(threads[document])
        for index in range(start, ends[document]):
            state = combine(state, sentences[index])
            hashes[index] = state
        start = ends[document]
    return hashes
