"""Writes documents to the shards of their splits, in order, however long a document is."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import numpy.typing as npt

from threadmill.corpora.text.config import CorpusConfig
from threadmill.corpora.text.line_kernels import end_after, fold_hashes, gather_documents
from threadmill.corpora.text.texts import Integers, Prepared
from threadmill.datasets import storage
from threadmill.datasets.counters import Counters
from threadmill.engine.stage import NumberedShards, ShardStream, TaskOutput

SPLITS = ("train", "validation", "test")
_HELD_BYTES = 32 << 20  # of a document that goes on from block to block; more of it waits on disk
_COPY_BYTES = 1 << 20
_TO_UNIT = 2.0**-53


class CorpusWriter:
    """Takes blocks of documents in order, and writes each document to the split that its hash says.

    Counts documents: read = kept + dropped (``empty``: no line is left); written are lines.

    Args:
        document_lines: lines after which a document ends, even if it goes on; 0 for never.
    """

    def __init__(self, output: TaskOutput, config: CorpusConfig) -> None:
        self._output, self._config = output, config
        self._shards: dict[str, _SplitShards] = {}
        self._open: _OpenDocument | None = None
        self._stack = ExitStack()
        self.counters = Counters()

    def __enter__(self) -> "CorpusWriter":
        for split in reversed(SPLITS):  # what is entered last is published first
            shards = self._stack.enter_context(self._output.numbered_shards(split, "txt"))
            self._shards[split] = self._stack.enter_context(_SplitShards(shards, self._config.shard_lines))
        return self

    def add(self, block: Prepared, document_lines: int = 0) -> None:
        """Takes a block of documents; those of a source come one after the other.

        Args:
            document_lines: lines after which a document ends, even without a blank line; 0 for never.
        """
        if self._open is not None and not block.continues:
            self.end_document()
        held = self._open.lines if self._open is not None else 0
        ends, is_open = _with_limit(block, held, document_lines)
        start, last = 0, len(ends)
        if self._open is not None and last:
            self._open.add(block, 0, int(ends[0]))
            start = 1
            if last > 1 or not is_open:
                self.end_document()
        if is_open and last > start:
            last -= 1
        self._add_whole(block, ends, start, last)
        if is_open and last < len(ends):
            self._open = _OpenDocument(block.split, self._folder())
            self._open.add(block, int(ends[last - 1]) if last else 0, int(ends[last]))

    def end_document(self) -> None:
        """Ends the document that the last block left open, if there is one."""
        if self._open is None:
            return
        with self._open as document:
            self._open = None
            if self._count(document.lines, 1):
                split = document.split or SPLITS[_places(np.array([document.hash], np.uint64), self._config)[0]]
                self._shards[split].write_long(document)

    def _add_whole(self, block: Prepared, ends: Integers, start: int, stop: int) -> None:
        """The documents from ``start`` to ``stop``, which end in the block."""
        if start == stop:
            return
        first = int(ends[start - 1]) if start else 0
        chosen = ends[start:stop]
        begins = np.concatenate([[first], chosen[:-1]])
        filled = chosen > begins
        self._count(int(filled.sum()), len(chosen))
        hashes = fold_hashes(block.hashes[first:], chosen - first, np.uint64(0))
        places = np.full(len(chosen), SPLITS.index(block.split)) if block.split else _places(hashes, self._config)
        for place in np.unique(places[filled]):
            mine = filled & (places == place)
            self._shards[SPLITS[place]].write(block, begins[mine], chosen[mine])

    def _count(self, filled: int, documents: int) -> int:
        kept = min(filled, documents)
        self.counters.read += documents
        self.counters.kept += kept
        self.counters.drop("empty", documents - kept)
        return kept

    def _folder(self) -> str | None:
        return storage.local_path(self._output.uri) if storage.is_local(self._output.uri) else None

    def statistics(self) -> dict[str, dict[str, int]]:
        """Of each split that holds any: documents, single_line_documents, lines, words and characters."""
        return {split: dict(self._shards[split].totals) for split in SPLITS if self._shards[split].totals["documents"]}

    def __exit__(self, *error: Any) -> None:
        if error[0] is None:
            self.end_document()
            self.counters.written = sum(shards.totals["lines"] for shards in self._shards.values())
        elif self._open is not None:
            self._open.__exit__(*error)
        self._stack.__exit__(*error)


def _with_limit(block: Prepared, held: int, most: int) -> tuple[Integers, bool]:
    """The documents' ends, with those at ``most`` lines; and whether the last may go on."""
    if not most:
        return block.ends, block.is_open
    ends = np.empty(len(block.ends) + (len(block.line_ends) + held) // most + 1, np.int64)
    count, full = end_after(block.ends, held, most, ends)
    return ends[:count], block.is_open and not full


def _places(hashes: npt.NDArray[np.uint64], config: CorpusConfig) -> npt.NDArray[np.intp]:
    """The place in `SPLITS` of documents with the given hashes."""
    share = (hashes >> np.uint64(11)) * _TO_UNIT
    test = config.validation_split + config.test_split
    return np.where(share < config.validation_split, 1, np.where(share < test, 2, 0))


class _OpenDocument:
    """A document whose end has not come: its text waits in memory or, where it is long, on disk."""

    def __init__(self, split: str, folder: str | None) -> None:
        self.split = split
        self.hash = np.uint64(0)
        self.lines = self.words = self.characters = 0
        self._text = tempfile.SpooledTemporaryFile(_HELD_BYTES, dir=folder)  # noqa: SIM115 (closed by its owner)

    def __enter__(self) -> "_OpenDocument":
        return self

    def add(self, block: Prepared, start: int, stop: int) -> None:
        """Takes the lines from ``start`` to ``stop``."""
        if start == stop:
            return
        self._text.write(block.data[_begin(block, start) : block.line_ends[stop - 1]].data)
        self.hash = np.uint64(fold_hashes(block.hashes[start:stop], np.array([stop - start]), self.hash)[0])
        self.lines += stop - start
        self.words += int(block.words[start:stop].sum())
        self.characters += int(block.characters[start:stop].sum())

    def pieces(self) -> Iterator[bytes]:
        """The text."""
        self._text.seek(0)
        while piece := self._text.read(_COPY_BYTES):
            yield piece

    def __exit__(self, *error: Any) -> None:
        self._text.close()


def _begin(block: Prepared, line: int) -> int:
    return int(block.line_ends[line - 1]) if line else 0


class _SplitShards:
    """The shards of a split, each ended by the document that reaches ``shard_lines``."""

    def __init__(self, shards: NumberedShards, shard_lines: int) -> None:
        self._shards, self._shard_lines = shards, shard_lines
        self._stream: ShardStream | None = None
        self._stack = ExitStack()
        self.totals = Counter(dict.fromkeys(("documents", "single_line_documents", "lines", "words", "characters"), 0))

    def __enter__(self) -> "_SplitShards":
        return self

    def write(self, block: Prepared, begins: Integers, ends: Integers) -> None:
        """Appends documents, given by their first lines and those after their last."""
        lines = np.cumsum(ends - begins)
        starts = np.where(begins > 0, block.line_ends[begins - 1], 0)
        stops = block.line_ends[ends - 1]
        first, done = 0, 0
        while first < len(begins):
            stream = self._next()
            room = self._shard_lines - stream.records
            last = min(int(np.searchsorted(lines, done + room)) + 1, len(begins))
            output = np.empty(int((stops[first:last] - starts[first:last]).sum()) + last - first, np.uint8)
            size = gather_documents(block.data, starts[first:last], stops[first:last], output)
            stream.write(output[:size])
            stream.records += int(lines[last - 1]) - done
            first, done = last, int(lines[last - 1])
            self._close_full()
        self._count(block, begins, ends)

    def write_long(self, document: _OpenDocument) -> None:
        """Appends a document that came in several blocks."""
        stream = self._next()
        for piece in document.pieces():
            stream.write(piece)
        stream.records += document.lines
        self._close_full()
        single = int(document.lines == 1)
        self.totals.update(
            documents=1,
            single_line_documents=single,
            lines=document.lines,
            words=document.words,
            characters=document.characters,
        )

    def _next(self) -> ShardStream:
        """The open shard, after the blank line that the next document needs before it."""
        if self._stream is None:
            self._stream = self._stack.enter_context(self._shards.shard())
        else:
            self._stream.write(b"\n")
        return self._stream

    def _close_full(self) -> None:
        if self._stream is not None and self._stream.records >= self._shard_lines:
            self._stack.close()
            self._stream = None

    def _count(self, block: Prepared, begins: Integers, ends: Integers) -> None:
        sizes = ends - begins
        totals = {name: np.concatenate([[0], np.cumsum(getattr(block, name))]) for name in ("words", "characters")}
        self.totals.update(
            documents=len(sizes),
            single_line_documents=int((sizes == 1).sum()),
            lines=int(sizes.sum()),
            **{name: int((total[ends] - total[begins]).sum()) for name, total in totals.items()},
        )

    def __exit__(self, *error: Any) -> None:
        self._stack.__exit__(*error)
