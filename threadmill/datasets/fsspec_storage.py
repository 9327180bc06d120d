"""Files on the filesystems that fsspec knows by their URI's scheme, other than this machine's and Cloud Storage.

The functions are those of `threadmill.datasets.storage`.
"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, cast

from fsspec.core import url_to_fs


def open_read(uri: str) -> IO[bytes]:
    """A binary stream over the file."""
    filesystem, path = url_to_fs(uri)
    return cast(IO[bytes], filesystem.open(path, "rb"))


def read_bytes(uri: str) -> bytes:
    """The whole content of a file."""
    with open_read(uri) as stream:
        return stream.read()


@contextmanager
def writer(uri: str) -> Iterator[IO[bytes]]:
    """A stream whose content is published when the block ends well."""
    filesystem, path = url_to_fs(uri)
    stream: Any = filesystem.open(path, "wb")
    try:
        yield stream
    except BaseException:
        if hasattr(stream, "discard"):
            stream.discard()
        stream.closed = True  # or the garbage collector closes it, which publishes what was written so far
        raise
    stream.close()


def write_bytes(uri: str, content: bytes) -> None:
    """Writes a small file."""
    with writer(uri) as stream:
        stream.write(content)


def exists(uri: str) -> bool:
    """True if the file or folder is there."""
    filesystem, path = url_to_fs(uri)
    return bool(filesystem.exists(path))


def is_directory(uri: str) -> bool:
    """True if the URI names a folder."""
    filesystem, path = url_to_fs(uri)
    return bool(filesystem.isdir(path))


def size(uri: str) -> int:
    """The file's size in bytes, or -1."""
    filesystem, path = url_to_fs(uri)
    try:
        return int(filesystem.size(path))
    except FileNotFoundError:
        return -1


def version(uri: str) -> str:
    """What changes with the file, or "" where the filesystem cannot tell."""
    filesystem, path = url_to_fs(uri)
    with suppress(NotImplementedError, FileNotFoundError):
        return str(filesystem.checksum(path))
    return ""


def list_names(uri: str) -> list[str]:
    """The sorted names in a folder."""
    return sorted(sizes(uri))


def sizes(uri: str) -> dict[str, int]:
    """The names in a folder and the sizes of those that are files, -1 for folders."""
    filesystem, path = url_to_fs(uri)
    try:
        entries = filesystem.ls(path, detail=True)  # unlike isdir, it does not take a store out of reach for an empty one
    except FileNotFoundError:
        return {}
    own = path.rstrip("/")
    found = {entry["name"].rstrip("/"): int(entry["size"] or 0) if entry["type"] == "file" else -1 for entry in entries}
    return {name.rsplit("/", 1)[-1]: length for name, length in found.items() if name != own}


def rename(uri: str, new_uri: str) -> None:
    """Moves a file."""
    filesystem, path = url_to_fs(uri)
    filesystem.mv(path, url_to_fs(new_uri)[1])


def remove(uri: str) -> None:
    """Removes a file; none is no error."""
    filesystem, path = url_to_fs(uri)
    with suppress(FileNotFoundError):
        filesystem.rm(path)


def remove_tree(uri: str) -> None:
    """Removes a folder and all below it, or a file."""
    filesystem, path = url_to_fs(uri)
    if filesystem.exists(path):
        filesystem.rm(path, recursive=True)
