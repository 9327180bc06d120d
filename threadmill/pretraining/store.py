"""The tokens of a split's documents in flat files: written front to back, then mapped into memory for random access."""

import mmap
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from threadmill.documents.blocks import DocumentBlock
from threadmill.documents.sources import CONVERSATIONS_KIND, TEXT_KIND, Part
from threadmill.vocab.vocabulary import TokenLines

Integers = npt.NDArray[np.int64]

_MOST_IN_16_BITS = 1 << 16
# What is mapped counts as this process's memory, though the system can drop it. A read maps 64 KB, and a row reads two places.
_MAPPED_AT_MOST = 256 << 20
_MAPPED_BY_A_ROW = 128 << 10
# What is stored besides the ids, each array in a file of its name.
ARRAYS: dict[str, type[np.generic]] = {
    "starts": np.int64,
    "lengths": np.int32,
    "document_offsets": np.int64,
    "groups": np.int64,
    "group_offsets": np.int64,
}


@dataclass(frozen=True)
class StoredPart:
    """A part of the corpora in a store: its documents are those from ``first`` up to ``stop``.

    Attributes:
        name, kind: of the `Part`; random streams are keyed by the name.
    """

    name: str
    kind: str
    first: int
    stop: int


@dataclass(frozen=True)
class TokenStore:
    """D documents of M sentences in all, in G groups: those of one thread are one group, in text each document is one.

    Sentence s is ``ids[starts[s] : starts[s] + lengths[s]]``, and none is empty. Document d has the sentences from
    ``document_offsets[d]`` up to ``document_offsets[d + 1]``, one at least; group g the documents from ``group_offsets[g]``
    up to ``group_offsets[g + 1]``. In conversations a turn that several documents share is stored once.

    Attributes:
        ids: uint16[T], or int32[T] where the vocabulary is larger than 65,536.
        starts: int64[M]; lengths: int32[M].
        document_offsets: int64[D + 1].
        groups: int64[D], the group of each document, ascending.
        group_offsets: int64[G + 1].
        parts: in the store's order; their documents cover it without a gap.
        is_contiguous: True where the sentences of every document follow one another in ``ids``, as in text.
    """

    ids: npt.NDArray[Any]
    starts: Integers
    lengths: npt.NDArray[np.int32]
    document_offsets: Integers
    groups: Integers
    group_offsets: Integers
    parts: tuple[StoredPart, ...]
    is_contiguous: bool = False
    _pages: "_Pages" = field(default_factory=lambda: _Pages())

    @property
    def documents(self) -> int:
        """D."""
        return len(self.groups)

    @property
    def tokens(self) -> int:
        """T; a sentence that documents share counts once."""
        return len(self.ids)

    def sentences_of(self, part: StoredPart) -> Integers:
        """int64[n]: the number of sentences of each document of a part."""
        return np.diff(self.document_offsets[part.first : part.stop + 1])

    def has_read(self, rows: int) -> None:
        """To be called after each block of rows: lets go of the pages read, before they count for more than 256 MB.

        They come back from the system's cache. Threads may call it side by side, and go on reading.
        """
        self._pages.rows += rows
        if self._pages.rows * _MAPPED_BY_A_ROW > _MAPPED_AT_MOST and self._pages.size > _MAPPED_AT_MOST:
            self._pages.rows = 0
            for mapped in self._pages.maps:
                mapped.madvise(mmap.MADV_DONTNEED)


class _Pages:
    """The maps of a store's files, and the rows read since their pages were let go of."""

    def __init__(self, maps: Sequence[mmap.mmap] = ()) -> None:
        self.maps = maps
        self.size = sum(map(len, maps))
        self.rows = 0


def id_type(vocabulary_size: int) -> type[np.generic]:
    """What an id of a token is stored as."""
    return np.uint16 if vocabulary_size <= _MOST_IN_16_BITS else np.int32


def open_store(folder: Path, ids: type[np.generic], parts: Sequence[StoredPart]) -> TokenStore:
    """The store whose arrays lie in ``folder``, a file of the attribute's name each, mapped into memory.

    Args:
        ids: type of an id.
    """
    maps: list[mmap.mmap] = []
    arrays = {name: _map(folder / name, dtype, maps) for name, dtype in {"ids": ids, **ARRAYS}.items()}
    is_text = all(part.kind == TEXT_KIND for part in parts)
    return TokenStore(**arrays, parts=tuple(parts), is_contiguous=is_text, _pages=_Pages(maps))


def _map(path: Path, dtype: type[np.generic], maps: list[mmap.mmap]) -> npt.NDArray[Any]:
    if not path.stat().st_size:
        return np.zeros(0, dtype)
    with open(path, "rb") as file:
        # Copy on write, so that the arrays are as writable as any: one compiled kernel serves both.
        maps.append(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY))
    return np.frombuffer(maps[-1], dtype)


class StoreWriter:
    """Writes a split's documents block by block, in their order, and opens them as a `TokenStore`.

    Args:
        folder: an empty one, on this machine.
        vocabulary_size: decides the width of an id.
        need_response: a conversation example whose last turn has no token is left out, for the turn before it would be
            taken for the response, which it is in another example.
    """

    def __init__(self, folder: Path, vocabulary_size: int, *, need_response: bool = False) -> None:
        folder.mkdir(parents=True)
        self._folder, self._need_response = folder, need_response
        self._types = {"ids": id_type(vocabulary_size), **ARRAYS}
        self._files: dict[str, IO[bytes]] = {name: open(folder / name, "wb") for name in self._types}  # noqa: SIM115
        self._tokens = self._sentences = self._documents = self._groups = 0
        for name in ("document_offsets", "group_offsets"):
            self._write(name, np.zeros(1))
        self._part: Part | None = None
        self._first = 0
        self._last_group = -1
        self._open: tuple[int, int] | None = None  # sentences and group of the part's last document, which may go on
        self._parts: list[StoredPart] = []

    def append(self, part: Part, block: DocumentBlock, lines: TokenLines) -> int:
        """Adds a block of ``part``, whose lines became ``lines``; sentences without a token are left out.

        Returns:
            The documents that are left out with all their sentences, of those that are whole by now.
        """
        dropped = 0
        if part is not self._part:
            dropped = self.end_part()
            self._part, self._first = part, self._documents
        elif not block.continues:
            dropped = self._close_document()
        self._write("ids", lines.ids)
        lengths = np.diff(lines.offsets)[block.sentences]
        starts = lines.offsets[:-1][block.sentences] + self._tokens
        kept = lengths > 0
        if self._need_response and part.kind == CONVERSATIONS_KIND:
            kept &= np.repeat(kept[block.ends - 1], np.diff(block.ends, prepend=0))
        self._write("starts", starts[kept])
        self._write("lengths", lengths[kept])
        self._tokens += len(lines.ids)
        counts = np.diff(np.concatenate([[0], np.cumsum(kept)])[np.concatenate([[0], block.ends])])
        if self._open is not None:
            counts[0] += self._open[0]
        self._open = int(counts[-1]), int(block.groups[-1])
        return dropped + self._put_documents(counts[:-1], block.groups[:-1])

    def end_part(self) -> int:
        """Ends the part that is being written; returns as `append` does."""
        dropped = self._close_document()
        if self._part is not None:
            self._parts.append(StoredPart(self._part.name, self._part.kind, self._first, self._documents))
        self._part, self._last_group = None, -1
        return dropped

    def open(self) -> TokenStore:
        """What was written, mapped into memory."""
        self._write("group_offsets", np.array([self._documents] if self._documents else []))
        for file in self._files.values():
            file.close()
        return open_store(self._folder, self._types["ids"], self._parts)

    def close(self) -> None:
        """Closes the files; for a run that fails."""
        for file in self._files.values():
            file.close()

    def _close_document(self) -> int:
        if self._open is None:
            return 0
        sentences, group = self._open
        self._open = None
        return self._put_documents(np.array([sentences]), np.array([group]))

    def _put_documents(self, counts: Integers, groups: Integers) -> int:
        kept = counts > 0
        dropped = len(counts) - int(kept.sum())
        counts, groups = counts[kept], groups[kept]
        if not len(counts):
            return dropped
        is_first = np.diff(groups, prepend=self._last_group) != 0
        begins = self._documents + np.flatnonzero(is_first)
        self._write("document_offsets", self._sentences + np.cumsum(counts))
        self._write("groups", self._groups - 1 + np.cumsum(is_first))
        self._write("group_offsets", begins[begins > 0])
        self._sentences += int(counts.sum())
        self._documents += len(counts)
        self._groups += len(begins)
        self._last_group = int(groups[-1])
        return dropped

    def _write(self, name: str, values: npt.NDArray[Any]) -> None:
        self._files[name].write(np.ascontiguousarray(values, self._types[name]).data.cast("B") if len(values) else b"")
