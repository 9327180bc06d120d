"""Which files of a folder are sources, and whether a file can be one."""

import os
import stat
from collections.abc import Iterator

from threadmill.datasets import storage
from threadmill.datasets.manifest import MANIFEST_NAME
from threadmill.datasets.unfinished import refuse_unfinished
from threadmill.errors import InputError


def folder_files(uri: str) -> Iterator[tuple[str, str]]:
    """The files in a folder and below, sorted, each with its name below it; those whose names begin with . or _ are left out.

    Raises:
        InputError: a dataset or an unfinished one lies in it, a link leads nowhere or back up, or a file is no regular one.
    """
    refuse_unfinished(uri)
    yield from _files(uri, "", (_real(uri),)) if storage.is_local(uri) else _remote_files(uri, "")


def _remote_files(uri: str, prefix: str) -> Iterator[tuple[str, str]]:
    for name, size in sorted(storage.sizes(uri).items()):
        if name.startswith((".", "_")):
            continue
        path = storage.join(uri, name)
        if size < 0:
            _refuse_folder(path, ())
            yield from _remote_files(path, f"{prefix}{name}/")
        else:
            yield f"{prefix}{name}", path


def _files(uri: str, prefix: str, above: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for name in storage.list_names(uri):
        if name.startswith((".", "_")):
            continue
        path = storage.join(uri, name)
        if storage.is_directory(path):
            _refuse_folder(path, above)
            yield from _files(path, f"{prefix}{name}/", (*above, _real(path)))
        else:
            refuse_irregular(path)
            yield f"{prefix}{name}", path


def _refuse_folder(uri: str, above: tuple[str, ...]) -> None:
    if _real(uri) in above:
        raise InputError(f"{uri} is a link to a folder that it lies in; remove the link, or name the files")
    if storage.exists(storage.join(uri, MANIFEST_NAME)):
        raise InputError(
            f"{uri} is a dataset of Threadmill's within the folder that was named; name the files or datasets that you mean"
        )
    refuse_unfinished(uri)


def refuse_irregular(uri: str) -> None:
    """Raises InputError where the local ``uri`` is a link to nothing, or no regular file: a pipe, a device."""
    if not storage.is_local(uri):
        return
    path = storage.local_path(uri)
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        if not os.path.islink(path):
            raise
        raise InputError(f"{uri} is a link to {os.readlink(path)}, which is not there; restore it, or remove the link") from None
    if not stat.S_ISREG(mode):
        raise InputError(f"{uri} is not a regular file, so that it cannot be read twice; write its content to a file first")


def _real(uri: str) -> str:
    return os.path.realpath(storage.local_path(uri)) if storage.is_local(uri) else uri
