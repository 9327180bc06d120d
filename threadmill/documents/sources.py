"""Finds what a corpus is made of: text files, folders of them and datasets, cut into parts that are units of work."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from threadmill.corpora.reddit.compression import find_compression
from threadmill.corpora.reddit.sources import fingerprint, refuse_change, source_state
from threadmill.corpora.source_files import folder_files, refuse_irregular
from threadmill.datasets import storage
from threadmill.datasets.dataset import Dataset, split_of
from threadmill.datasets.digest import file_digest
from threadmill.datasets.manifest import MANIFEST_NAME, InputEntry
from threadmill.engine.local import available_workers
from threadmill.engine.ordered import map_in_order
from threadmill.errors import InputError, IntegrityError

CORPUS = "corpus"  # the stage whose datasets hold text, one sentence a line
TEXT_KIND, CONVERSATIONS_KIND = "text", "conversations"
PART_BYTES = 16 << 20
_SCAN_BYTES = 1 << 16
_BLANK_LINE = re.compile(rb"\n[ \t\r]*\n")
_HEAD_BYTES = 32
_ROWS = (b"PAR1", b"ARROW1", b"marketplace\tcustomer_id\t")  # Parquet, Arrow, and the Amazon customer reviews


@dataclass(frozen=True)
class Part:
    """A unit of work: a range of a text file, or a shard of conversations.

    Attributes:
        name: unique in its corpora and the same wherever they lie, for random streams are keyed by it.
        uri: the file.
        kind: `TEXT_KIND` or `CONVERSATIONS_KIND`.
        split: train, validation or test; raw files are all train.
        start, stop: the range of bytes; a ``stop`` of -1 stands for all of a compressed file.
        size: bytes of the range, as they are stored.
        columns: the features that hold the turns of conversations, oldest first.
    """

    name: str
    uri: str
    kind: str
    split: str
    start: int
    stop: int
    size: int
    columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class CorpusFile:
    """A file as it was when its corpus was opened.

    Attributes:
        split: as a part's.
        fingerprint: what differs once the file is written again.
        sha256: what the dataset's manifest says, in hex; "" for a raw file, whose digest has just been taken.
    """

    uri: str
    split: str
    fingerprint: str
    sha256: str = ""


@dataclass(frozen=True)
class Corpora:
    """What the given URIs hold together. ``partial``: one of the datasets is known to be incomplete."""

    inputs: tuple[InputEntry, ...]
    parts: tuple[Part, ...]
    partial: bool = False
    files: tuple[CorpusFile, ...] = ()

    def splits(self) -> list[str]:
        """The names of the splits, in the parts' order."""
        return list(dict.fromkeys(part.split for part in self.parts))

    @contextmanager
    def unchanged(self, split: str = "") -> Iterator[None]:
        """For the time in which parts are read, of one split or of all: what is read is what `inputs` tells of.

        Raises:
            IntegrityError: a dataset's shard was changed after it was written.
            InputError: a file is written to meanwhile.
        """
        files = [file for file in self.files if split in ("", file.split)]
        written = [file for file in files if file.sha256]
        digests = map_in_order(file_digest, [file.uri for file in written], available_workers())
        for file, digest in zip(written, digests, strict=True):
            if digest != file.sha256:
                raise IntegrityError(f"{file.uri} was changed after it was written; run the stage that writes the dataset again")
        try:
            yield
        except Exception:  # what comes of a file that changes may be any error
            _refuse_changes(files)
            raise
        _refuse_changes(files)


def _refuse_changes(files: Sequence[CorpusFile]) -> None:
    for file in files:
        refuse_change(file.uri, file.fingerprint)


def open_corpora(uris: Sequence[str]) -> Corpora:
    """Looks at each URI: a text file (plain or compressed), a folder of them, or a dataset of text or conversations.

    Raises:
        InputError: nothing there, a dataset of another stage, a shard that is missing or cut, or no text at all.
    """
    if not uris:
        raise InputError("no corpus is named; name a text file, a folder of them, or a dataset")
    inputs, parts, files, partial = list[InputEntry](), list[Part](), list[CorpusFile](), False
    for number, uri in enumerate(uris):
        if storage.exists(storage.join(uri, MANIFEST_NAME)):
            from threadmill.conversations.statistics import CONVERSATIONS  # with polars, which text does not need

            dataset = Dataset.open(uri, CORPUS, *CONVERSATIONS)
            inputs.append(dataset.as_input())
            partial = partial or dataset.manifest.partial
            parts.extend(_shards(dataset, number))
            files.extend(
                CorpusFile(path, split_of(shard), fingerprint(path), shard.sha256)
                for shard in dataset.shards()
                for path in [dataset.path(shard)]
            )
        else:
            for name, file in _files(uri):
                state = source_state(file)
                inputs.append(InputEntry(name, state.digest, file))
                files.append(CorpusFile(file, "train", state.fingerprint))
                parts.extend(_ranges(file, f"{number}/{name}", "train"))
    if not parts:
        raise InputError(f"{', '.join(uris)}: no text there, all files are empty; name a corpus with text")
    return Corpora(tuple(inputs), tuple(parts), partial, tuple(files))


def _shards(dataset: Dataset, number: int) -> Iterator[Part]:
    from threadmill.documents.conversations import turn_columns

    columns = tuple(turn_columns([field.name for field in dataset.manifest.schema]))
    for shard in dataset.shards():
        path = dataset.path(shard)
        size = storage.size(path)
        if size != shard.bytes:
            state = "is missing" if size < 0 else f"has {size:,} bytes instead of {shard.bytes:,}"
            raise InputError(f"{path} {state}; run the stage that writes the dataset again")
        name = f"{number}/{shard.name}"
        if dataset.manifest.stage == CORPUS:
            yield from _ranges(path, name, split_of(shard))
        elif shard.records:
            yield Part(name, path, CONVERSATIONS_KIND, split_of(shard), 0, -1, size, columns)


def _files(uri: str) -> list[tuple[str, str]]:
    """The text files at ``uri``, each with its name below it; files whose names begin with . or _ are no text."""
    if not storage.is_directory(uri):
        if not storage.exists(uri):
            raise InputError(f"{uri} does not exist; name a text file, a folder of them, or a dataset")
        refuse_irregular(uri)
        return [(storage.name_of(uri), uri)]
    files = list(folder_files(uri))
    if not files:
        raise InputError(f"{uri} is a folder without a file; name a text file, a folder of them, or a dataset")
    return files


def _ranges(uri: str, name: str, split: str) -> Iterator[Part]:
    """The parts of a text file, cut after blank lines, so that no document is in two."""
    size = storage.size(uri)
    with storage.open_read(uri) as stream:
        head = stream.read(_HEAD_BYTES)
        _refuse_rows(head, uri)
        if find_compression(head):
            yield Part(name, uri, TEXT_KIND, split, 0, -1, size)
            return
        start = 0
        while start < size:
            stop = size
            if size - start > PART_BYTES:
                stream.seek(start + PART_BYTES)
                stop = min(size, start + PART_BYTES + _next_document(iter(lambda: stream.read(_SCAN_BYTES), b"")))
            yield Part(f"{name}@{start}", uri, TEXT_KIND, split, start, stop, stop - start)
            start = stop


def _refuse_rows(head: bytes, uri: str) -> None:
    """Raises where a file is of rows, of which ``threadmill corpus`` makes text."""
    if head.startswith(_ROWS) or (head.startswith(b'{"') and ".json" in storage.name_of(uri)):
        raise InputError(f"{uri} holds rows of data, not sentences; `threadmill corpus` makes text of one of their fields")


def _next_document(pieces: Iterator[bytes]) -> int:
    """Bytes up to and with the first blank line of the text, or all of it."""
    passed, held = 0, b""
    for piece in pieces:
        held += piece
        if found := _BLANK_LINE.search(held):
            return passed + found.end()
        keep = max(held.rfind(b"\n"), 0) if b"\n" in held else len(held)
        passed, held = passed + keep, held[keep:]
    return passed + len(held)
