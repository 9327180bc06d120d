"""Files on this machine, in Cloud Storage, and on what fsspec knows: read, list, and write so that a file is whole or absent."""

import errno
import importlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import IO, cast

TEMPORARY_PREFIX = ".writing-"
_BLOCK = 1 << 20
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_local(uri: str) -> bool:
    """True for a path or a file:// URI on this machine."""
    return "://" not in uri or uri.startswith("file://")


def is_cloud(uri: str) -> bool:
    """True for a place in Cloud Storage."""
    return uri.startswith("gs://")


def local_path(uri: str) -> str:
    """The path of a local URI.

    Raises:
        ValueError: the URI is remote.
    """
    if not is_local(uri):
        raise ValueError(f"{uri} is not a local path")
    return uri.removeprefix("file://")


def scratch_folder(uri: str) -> str:
    """The local folder for temporary files of work on ``uri``: that folder itself, or this machine's where it is remote."""
    return local_path(uri) if is_local(uri) else tempfile.gettempdir()


def absolute(uri: str) -> str:
    """The same place as a URI that does not depend on the working directory; "" stays."""
    return os.path.abspath(local_path(uri)) if uri and is_local(uri) else uri


def join(uri: str, *names: str) -> str:
    """``uri`` with ``names`` below it; "" is the working directory."""
    return "/".join([uri.rstrip("/"), *names] if uri else names)


def name_of(uri: str) -> str:
    """The last component of a URI."""
    return uri.rstrip("/").rsplit("/", 1)[-1]


def open_read(uri: str) -> IO[bytes]:
    """A binary stream over the file; seekable, for local files and Cloud Storage.

    Raises:
        FileNotFoundError: no such file.
    """
    return open(local_path(uri), "rb") if is_local(uri) else cast(IO[bytes], _store(uri).open_read(uri))


def read_bytes(uri: str) -> bytes:
    """The whole content of a (small) file."""
    if not is_local(uri):
        return cast(bytes, _store(uri).read_bytes(uri))
    with open_read(uri) as stream:
        return stream.read()


def read_many(uris: Sequence[str]) -> list[bytes]:
    """The contents of (small) files, several at once where they are remote."""
    if uris and is_cloud(uris[0]):
        from threadmill.datasets.cloud_calls import in_parallel

        return in_parallel(read_bytes, uris)
    return [read_bytes(uri) for uri in uris]


def exists(uri: str) -> bool:
    """True if the file or folder is there."""
    return os.path.exists(local_path(uri)) if is_local(uri) else bool(_store(uri).exists(uri))


def is_directory(uri: str) -> bool:
    """True if the URI names a folder."""
    return os.path.isdir(local_path(uri)) if is_local(uri) else bool(_store(uri).is_directory(uri))


def size(uri: str) -> int:
    """The file's size in bytes, or -1 where there is no such file."""
    if not is_local(uri):
        return int(_store(uri).size(uri))
    try:
        return os.path.getsize(local_path(uri))
    except FileNotFoundError:
        return -1


def version(uri: str) -> str:
    """What changes whenever the file's content does: size and time of a local one, the generation in Cloud Storage.

    "" where there is no such file, or its store cannot tell.
    """
    if not is_local(uri):
        return str(_store(uri).version(uri))
    try:
        status = os.stat(local_path(uri))
    except FileNotFoundError:
        return ""
    return f"{status.st_ino}-{status.st_size}-{status.st_mtime_ns}"


def list_names(uri: str) -> list[str]:
    """The sorted names in a folder; empty where there is no folder."""
    if not is_local(uri):
        return cast(list[str], _store(uri).list_names(uri))
    path = local_path(uri)
    return sorted(os.listdir(path)) if os.path.isdir(path) else []


def sizes(uri: str) -> dict[str, int]:
    """The names in a folder, each with its size in bytes, -1 for folders; one look at the folder for all."""
    if not is_local(uri):
        return cast(dict[str, int], _store(uri).sizes(uri))
    path = local_path(uri)
    if not os.path.isdir(path):
        return {}
    with os.scandir(path) as entries:
        return {entry.name: -1 if entry.is_dir() else max(0, size(entry.path)) for entry in entries}


def sizes_many(uris: Sequence[str]) -> list[dict[str, int]]:
    """As `sizes` of many folders, several at once where they are in Cloud Storage."""
    if uris and is_cloud(uris[0]):
        from threadmill.datasets.cloud_calls import in_parallel

        return in_parallel(sizes, uris)
    return [sizes(uri) for uri in uris]


def make_directory(uri: str) -> list[str]:
    """Makes the folder and its parents (object stores need none). Returns those that were not there, the deepest first."""
    if not is_local(uri):
        return []
    made, folder = [], os.path.abspath(local_path(uri))
    while not os.path.exists(folder):
        made.append(folder)
        folder = os.path.dirname(folder)
    os.makedirs(local_path(uri), exist_ok=True)
    return made


def sync_directory(uri: str) -> None:
    """Sees to it that a local folder's list of names outlives a power cut; object stores have none."""
    if not is_local(uri):
        return
    descriptor = os.open(local_path(uri), os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def rename(uri: str, new_uri: str) -> int | None:
    """Moves a file on the same filesystem, over what is there; returns what `remove` takes for its generation."""
    if is_local(uri):
        os.replace(local_path(uri), local_path(new_uri))
        return None
    return cast("int | None", _store(uri).rename(uri, new_uri))


def rename_many(pairs: Sequence[tuple[str, str]]) -> Iterable[int | None]:
    """As `rename`, one after the other as the results are asked for; all at once in Cloud Storage."""
    if pairs and is_cloud(pairs[0][0]):
        from threadmill.datasets.cloud_calls import in_parallel

        return in_parallel(lambda pair: rename(*pair), pairs)
    return (rename(*pair) for pair in pairs)


def remove(uri: str, generation: int | None = None) -> None:
    """Removes a file; none is no error.

    Args:
        generation: of a stream of `atomic_writer` (its ``version``) or of `rename`: only what that has written is removed, where
            the store can tell; 0 for nothing. None for whatever is there.
    """
    if generation is not None and is_cloud(uri):
        if generation:
            _store(uri).remove(uri, generation)
        return
    if not is_local(uri):
        _store(uri).remove(uri)
        return
    with suppress(FileNotFoundError):
        os.remove(local_path(uri))


def remove_many(uris: Sequence[str]) -> None:
    """Removes files, several at once where they are in Cloud Storage; none is no error."""
    if uris and is_cloud(uris[0]):
        from threadmill.datasets.cloud_calls import in_parallel

        in_parallel(remove, uris)
        return
    for uri in uris:
        remove(uri)


def remove_empty_directory(uri: str) -> None:
    """Removes a local folder if nothing is in it; object stores have none."""
    if is_local(uri):
        with suppress(OSError):
            os.rmdir(local_path(uri))


def remove_tree(uri: str) -> None:
    """Removes a folder and all below it, or a file; none is no error."""
    if not is_local(uri):
        _store(uri).remove_tree(uri)
        return
    path = local_path(uri)
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path, ignore_errors=True)
    else:
        remove(uri)


@contextmanager
def atomic_writer(uri: str) -> Iterator[IO[bytes]]:
    """A stream whose content appears under ``uri`` when the block ends well, and not at all otherwise.

    Local files are written beside the target, synced, then renamed. Object stores publish an object on close.
    """
    if not is_local(uri):
        with _store(uri).writer(uri) as stream:
            yield stream
        return
    with atomic_path(local_path(uri)) as temporary, open(temporary, "wb") as stream:
        yield stream
        stream.flush()
        os.fsync(stream.fileno())


@contextmanager
def atomic_path(path: str) -> Iterator[str]:
    """As `atomic_writer`, for writers that want a local path rather than a stream."""
    folder, name = os.path.split(path)
    temporary = os.path.join(folder, f"{TEMPORARY_PREFIX}{os.getpid()}-{threading.get_native_id()}-{name}")
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        if error.errno in _NO_ROOM and error.filename is None:  # a write names no file
            error.filename = path
        raise
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def copy(uri: str, new_uri: str) -> None:
    """Copies a file from anywhere to anywhere, block by block; it is whole or absent."""
    with open_read(uri) as source, atomic_writer(new_uri) as target:
        shutil.copyfileobj(source, target, _BLOCK)


def write_bytes(uri: str, content: bytes) -> None:
    """Writes a small file atomically."""
    if is_local(uri):
        with atomic_writer(uri) as stream:
            stream.write(content)
    else:
        _store(uri).write_bytes(uri, content)


def _store(uri: str) -> ModuleType:
    """The module of a remote URI's store: they cost a second and more to import, and local work does not need them."""
    return importlib.import_module(f"threadmill.datasets.{'cloud' if is_cloud(uri) else 'fsspec'}_storage")
