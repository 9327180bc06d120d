"""Exchanges some files of a finished dataset so that a kill at any moment leaves the old one, or one that can be mended.

New shards are written to a folder of their own within the dataset's; there the new manifest, written last, is the point of
no return. Then the old manifest goes, the shards and at last the manifest are moved to their places. Until that is done the
dataset has no manifest, so nobody takes a mixture for it, and `recover` goes on from wherever it broke off.
"""

from threadmill.datasets import storage
from threadmill.datasets.manifest import MANIFEST_NAME, FileEntry, Manifest, find_manifest, write_manifest
from threadmill.errors import IntegrityError

FOLDER = ".takedown"


def staging(uri: str) -> str:
    """The folder for the new shards of the dataset at ``uri``, empty."""
    folder = storage.join(uri, FOLDER)
    storage.remove_tree(folder)
    storage.make_directory(folder)
    return folder


def discard(uri: str) -> None:
    """Removes the folder with all that is in it."""
    storage.remove_tree(storage.join(uri, FOLDER))


def exchange(uri: str, manifest: Manifest) -> None:
    """Puts the staged shards in the places of those they replace, and ``manifest`` in that of the old.

    Args:
        manifest: whose last entry under ``takedowns`` in its statistics has the digest of the old one (``before``).
    """
    write_manifest(storage.join(uri, FOLDER), manifest)
    _finish(uri, manifest)


def is_interrupted(uri: str) -> bool:
    """True where an exchange that passed the point of no return has not come to its end."""
    return storage.exists(storage.join(uri, FOLDER, MANIFEST_NAME))


def recover(uri: str) -> bool:
    """Ends an exchange that was interrupted; true if there was one. What never passed the point of no return is removed.

    Raises:
        IntegrityError: another run has changed the dataset meanwhile, but not come to its end.
    """
    try:
        manifest = find_manifest(storage.join(uri, FOLDER)) if is_interrupted(uri) else None
        current = find_manifest(uri)
    except IntegrityError:
        manifest = current = None
    before = manifest.statistics["takedowns"][-1]["before"] if manifest else ""
    if manifest is None or (current is not None and current.digest != before):
        discard(uri)  # not begun, ended already, or of a dataset that was replaced since
        return False
    if not all(_is_there(uri, file.name, file.bytes) for file in _files(manifest)):
        discard(uri)
        raise IntegrityError(f"{uri}: a takedown was interrupted and its files changed since; run the dataset's stage again")
    _finish(uri, manifest)
    return True


def _finish(uri: str, manifest: Manifest) -> None:
    storage.remove(storage.join(uri, MANIFEST_NAME))
    for file in _files(manifest):
        staged = storage.join(uri, FOLDER, file.name)
        if storage.exists(staged):
            storage.rename(staged, storage.join(uri, file.name))
    write_manifest(uri, manifest)
    discard(uri)


def _files(manifest: Manifest) -> tuple[FileEntry, ...]:
    return *manifest.shards, *manifest.dead_letters


def _is_there(uri: str, name: str, size: int) -> bool:
    return size in (storage.size(storage.join(uri, FOLDER, name)), storage.size(storage.join(uri, name)))
