"""Files on any fsspec filesystem: read, list, and write so that a file is whole or absent."""

import errno
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, cast

TEMPORARY_PREFIX = ".writing-"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def is_local(uri: str) -> bool:
    """True for a path or a file:// URI on this machine."""
    return "://" not in uri or uri.startswith("file://")


def local_path(uri: str) -> str:
    """The path of a local URI.

    Raises:
        ValueError: the URI is remote.
    """
    if not is_local(uri):
        raise ValueError(f"{uri} is not a local path")
    return uri.removeprefix("file://")


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
    """A binary stream over the file.

    Raises:
        FileNotFoundError: no such file.
    """
    if is_local(uri):
        return open(local_path(uri), "rb")
    filesystem, path = _filesystem(uri)
    return cast(IO[bytes], filesystem.open(path, "rb"))


def read_bytes(uri: str) -> bytes:
    """The whole content of a (small) file."""
    with open_read(uri) as stream:
        return stream.read()


def exists(uri: str) -> bool:
    """True if the file or folder is there."""
    if is_local(uri):
        return os.path.exists(local_path(uri))
    filesystem, path = _filesystem(uri)
    return bool(filesystem.exists(path))


def is_directory(uri: str) -> bool:
    """True if the URI names a folder."""
    if is_local(uri):
        return os.path.isdir(local_path(uri))
    filesystem, path = _filesystem(uri)
    return bool(filesystem.isdir(path))


def size(uri: str) -> int:
    """The file's size in bytes, or -1 where there is no such file."""
    try:
        if is_local(uri):
            return os.path.getsize(local_path(uri))
        filesystem, path = _filesystem(uri)
        return int(filesystem.size(path))
    except FileNotFoundError:
        return -1


def list_names(uri: str) -> list[str]:
    """The sorted names in a folder; empty where there is no folder."""
    if is_local(uri):
        path = local_path(uri)
        return sorted(os.listdir(path)) if os.path.isdir(path) else []
    filesystem, path = _filesystem(uri)
    try:
        entries = filesystem.ls(path, detail=False)  # unlike isdir, it does not take a store out of reach for an empty one
    except FileNotFoundError:
        return []
    return sorted(name_of(entry) for entry in entries if entry.rstrip("/") != path.rstrip("/"))


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


def rename(uri: str, new_uri: str) -> None:
    """Moves a file on the same filesystem, over what is there."""
    if is_local(uri):
        os.replace(local_path(uri), local_path(new_uri))
        return
    filesystem, path = _filesystem(uri)
    filesystem.mv(path, _filesystem(new_uri)[1])


def remove(uri: str) -> None:
    """Removes a file; none is no error."""
    try:
        if is_local(uri):
            os.remove(local_path(uri))
        else:
            filesystem, path = _filesystem(uri)
            filesystem.rm(path)
    except FileNotFoundError:
        return


def remove_empty_directory(uri: str) -> None:
    """Removes a local folder if nothing is in it; object stores have none."""
    if is_local(uri):
        with suppress(OSError):
            os.rmdir(local_path(uri))


def remove_tree(uri: str) -> None:
    """Removes a folder and all below it, or a file; none is no error."""
    if is_local(uri):
        path = local_path(uri)
        if os.path.isdir(path) and not os.path.islink(path):
            shutil.rmtree(path, ignore_errors=True)
        else:
            remove(uri)
        return
    filesystem, path = _filesystem(uri)
    if filesystem.exists(path):
        filesystem.rm(path, recursive=True)


@contextmanager
def atomic_writer(uri: str) -> Iterator[IO[bytes]]:
    """A stream whose content appears under ``uri`` when the block ends well, and not at all otherwise.

    Local files are written beside the target, synced, then renamed. Object stores publish an object on close.
    """
    if not is_local(uri):
        with _object_writer(uri) as stream:
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


def write_bytes(uri: str, content: bytes) -> None:
    """Writes a small file atomically."""
    with atomic_writer(uri) as stream:
        stream.write(content)


@contextmanager
def _object_writer(uri: str) -> Iterator[IO[bytes]]:
    filesystem, path = _filesystem(uri)
    stream = filesystem.open(path, "wb")
    try:
        yield stream
    except BaseException:
        if hasattr(stream, "discard"):
            stream.discard()
        stream.closed = True  # or the garbage collector closes it, which publishes what was written so far
        raise
    stream.close()


def _filesystem(uri: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs  # costs 0.1 s, and local work does not need it

    filesystem, path = url_to_fs(uri)
    return filesystem, path
