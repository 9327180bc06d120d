"""The outline of a split: how long its sentences are and which documents and groups they make, without a token of them.

What pairs of sentences are planned by, since a random one may be of any document. 4 bytes a sentence, 16 a document and 8 a
group: 1 to 2 GB for the conversations of a month of Reddit, 14 GB for those of a year. It is fetched once a machine, where
its processes map the same files.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from threadmill.engine.ordered import map_in_order
from threadmill.pretraining.scratch import shared_base, shared_folder
from threadmill.pretraining.store import ARRAYS, StoredPart, TokenStore, open_store
from threadmill.pretraining.token_files import TokenFile

_READERS = 8  # threads that wait for a store
_PLANNED_BY = ("lengths", "document_offsets", "groups", "group_offsets")


@dataclass(frozen=True)
class StoredPortion:
    """A portion's token file, and the parts in it, by the numbers of the file's own documents."""

    file: TokenFile
    parts: tuple[StoredPart, ...]


@contextmanager
def open_outline(key: str, uri: str, portions: Sequence[StoredPortion]) -> Iterator[TokenStore]:
    """The split as a store without ids and starts, whose parts are those of all portions, in their order.

    Args:
        key: names the split and its tokens: equal keys, equal outlines.
        uri: where the portions' dataset lies.

    Raises:
        InputError: this machine has no room for it.
    """
    parts = list(_numbered(portions))
    sentences, documents, groups = (sum(getattr(each.file, name) for each in portions) for name in _COUNTS)
    size = 4 * sentences + 16 * documents + 8 * groups + (1 << 20)
    what = f"the outline of {documents:,} documents of {sentences:,} sentences"
    with shared_folder(shared_base(uri), key, size, what, lambda folder: _write(folder, portions)) as folder:
        yield open_store(folder, np.uint16, parts)


_COUNTS = ("sentences", "documents", "groups")


def _numbered(portions: Sequence[StoredPortion]) -> Iterator[StoredPart]:
    first = 0
    for portion in portions:
        for part in portion.parts:
            yield replace(part, first=first + part.first, stop=first + part.stop)
        first += portion.file.documents


def _write(folder: Path, portions: Sequence[StoredPortion]) -> None:
    """Writes the arrays of all portions end to end, their numbers moved by those of the portions before."""
    (folder / "ids").touch()
    (folder / "starts").touch()
    steps = {"lengths": "", "document_offsets": "sentences", "groups": "groups", "group_offsets": "documents"}
    files = {name: open(folder / name, "wb") for name in _PLANNED_BY}  # noqa: SIM115
    try:
        moved = dict.fromkeys(("", *_COUNTS), 0)
        for portion, arrays in zip(portions, map_in_order(_arrays, portions, _READERS), strict=True):
            for name, array in arrays.items():
                is_offsets = name.endswith("_offsets")
                rest = array[1:] if is_offsets and files[name].tell() else array  # the first offset is the last of those before
                files[name].write(np.ascontiguousarray(rest + moved[steps[name]], ARRAYS[name]).data if len(rest) else b"")
            for count in _COUNTS:
                moved[count] += getattr(portion.file, count)
    finally:
        for file in files.values():
            file.close()


def _arrays(portion: StoredPortion) -> dict[str, npt.NDArray[Any]]:
    return {name: portion.file.read(name) for name in _PLANNED_BY}
