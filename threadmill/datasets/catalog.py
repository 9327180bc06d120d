"""The datasets below a root folder: find them all, or one by its path, and never anything outside."""

import os

from threadmill.datasets import storage
from threadmill.datasets.manifest import MANIFEST_NAME
from threadmill.errors import InputError

_DEEPEST = 6


def find_datasets(root: str) -> list[str]:
    """The paths, relative to ``root``, of the dataset folders below it, sorted. One may lie within another."""
    return sorted(_found(root, "", _DEEPEST) if storage.is_local(root) else _found_remotely(root))


def _found_remotely(root: str) -> list[str]:
    """As `_found`, a level at a time; the folders of a level at once."""
    found, level = [], [""]
    for _ in range(_DEEPEST + 1):
        listed = storage.sizes_many([storage.join(root, path) if path else root for path in level])
        found += [path for path, sizes in zip(level, listed, strict=True) if path and MANIFEST_NAME in sizes]
        level = [
            f"{path}/{name}" if path else name
            for path, sizes in zip(level, listed, strict=True)
            for name, size in sizes.items()
            if size < 0 and not name.startswith(".")
        ]
    return found


def _found(root: str, path: str, depth: int) -> list[str]:
    folder = storage.join(root, path) if path else root
    names = storage.list_names(folder)
    found = [path] if MANIFEST_NAME in names and path else []
    for name in names if depth else ():
        inner = f"{path}/{name}" if path else name
        if not name.startswith(".") and _is_below(root, inner):
            found.extend(_found(root, inner, depth - 1))
    return found


def dataset_uri(root: str, path: str) -> str:
    """The URI of the dataset folder that lies at ``path`` below ``root``; ``path`` may come from anyone.

    Raises:
        InputError: the path leads elsewhere, or to no dataset.
    """
    parts = path.split("/")
    harmless = all(part and not part.startswith(".") and part.isprintable() and "\\" not in part for part in parts)
    uri = storage.join(root, path)
    if not harmless or not _is_below(root, path) or not storage.exists(storage.join(uri, MANIFEST_NAME)):
        raise InputError(f"there is no dataset {path!r} under the root; see the list of datasets for their paths")
    return uri


def _is_below(root: str, path: str) -> bool:
    """True for a folder within the root, symbolic links followed."""
    uri = storage.join(root, path)
    if not storage.is_directory(uri):
        return False
    if not storage.is_local(uri):
        return True
    folder, base = os.path.realpath(storage.local_path(uri)), os.path.realpath(storage.local_path(root))
    return os.path.commonpath([folder, base]) == base and folder != base
