"""Files in Cloud Storage (gs://BUCKET/OBJECT): few calls, many at once where there are many, preconditions on each change.

A folder is what names have in common before a slash. The functions are those of `threadmill.datasets.storage`.
"""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import IO, cast

import requests
from google.api_core import exceptions as api
from google.cloud.storage import Blob

from threadmill.datasets.cloud_calls import RETRY, TIMEOUT, blob, client, in_parallel, one_line_errors, split
from threadmill.datasets.cloud_streams import ObjectReader, ObjectWriter, find, read_bytes, write_bytes
from threadmill.errors import RemoteWorkError, ThreadmillError

__all__ = [
    "exists",
    "is_directory",
    "list_names",
    "open_read",
    "read_bytes",
    "remove",
    "remove_tree",
    "rename",
    "size",
    "sizes",
    "version",
    "write_bytes",
    "writer",
]

_BUFFER_BYTES = 256 * 1024
_BATCH = 100  # calls in one, at most (https://cloud.google.com/storage/docs/batch)
_ATTEMPTS = 5


def open_read(uri: str) -> IO[bytes]:
    """A seekable stream that reads ahead."""
    found = find(uri)
    if found is None:
        raise FileNotFoundError(2, "No such object", uri)
    return cast(IO[bytes], io.BufferedReader(ObjectReader(uri, found), _BUFFER_BYTES))


@contextmanager
def writer(uri: str) -> Iterator[IO[bytes]]:
    """A stream whose content is an object when the block ends well."""
    stream = ObjectWriter(uri)
    try:
        yield cast(IO[bytes], stream)
        stream.publish()
    except BaseException:
        stream.abandon()
        raise


def exists(uri: str) -> bool:
    """True if there is an object of this name, or one below it."""
    return (bool(split(uri)[1]) and find(uri) is not None) or is_directory(uri)


def is_directory(uri: str) -> bool:
    """True if there is an object below this name."""
    bucket, name = split(uri)
    with one_line_errors(uri):
        listed = client().list_blobs(
            bucket, prefix=f"{name}/" if name else "", max_results=1, fields="items(name)", retry=RETRY, timeout=TIMEOUT
        )
        return any(True for _ in listed)


def size(uri: str) -> int:
    """The object's size in bytes, or -1."""
    found = find(uri)
    return -1 if found is None else found.size


def version(uri: str) -> str:
    """What changes with the object's content: its generation; "" where there is none."""
    found = find(uri)
    return "" if found is None else str(found.generation)


def list_names(uri: str) -> list[str]:
    """The sorted names in a folder."""
    return sorted(sizes(uri))


def sizes(uri: str) -> dict[str, int]:
    """The names in a folder and the sizes of those that are objects, -1 for folders; one call a thousand."""
    bucket, name = split(uri)
    prefix = f"{name}/" if name else ""
    with one_line_errors(uri):
        listed = client().list_blobs(
            bucket, prefix=prefix, delimiter="/", fields="items(name,size),prefixes,nextPageToken", retry=RETRY, timeout=TIMEOUT
        )
        found = {item.name[len(prefix) :]: int(item.size) for item in listed}
        found |= {folder[len(prefix) : -1]: -1 for folder in listed.prefixes}
    found.pop("", None)  # a folder's own marker, as the console makes them
    return found


def rename(uri: str, new_uri: str) -> int:
    """Moves an object within Cloud Storage, which copies no bytes within a bucket; returns the new one's generation, or 0.

    0 where an object of the same content was there already.
    """
    source = find(uri)
    if source is None:
        raise FileNotFoundError(2, "No such object", uri)
    target = 0
    for _ in range(_ATTEMPTS):
        try:
            generation = _copy(uri, source.generation, new_uri, target)
            break
        except api.PreconditionFailed:
            there = find(new_uri)
            if there is not None and (there.size, there.crc32c) == (source.size, source.crc32c):
                generation = 0
                break
            target = there.generation if there is not None else 0
    else:
        raise RemoteWorkError(
            f"{new_uri} is written by others all the time; see to it that one run writes there, then run it again"
        )
    remove(uri, source.generation)
    return generation


def _copy(uri: str, generation: int, new_uri: str, target: int) -> int:
    copy, token = blob(new_uri), None
    with one_line_errors(uri):
        while True:
            token, _, _ = copy.rewrite(
                blob(uri),
                token=token,
                if_source_generation_match=generation,
                if_generation_match=target,
                retry=RETRY,
                timeout=TIMEOUT,
            )
            if token is None:
                return int(copy.generation)


def remove(uri: str, generation: int | None = None) -> None:
    """Removes an object, or only its given generation; none is no error."""
    with suppress(FileNotFoundError, api.PreconditionFailed), one_line_errors(uri):
        blob(uri).delete(if_generation_match=generation, retry=RETRY, timeout=TIMEOUT)


def remove_tree(uri: str) -> None:
    """Removes all objects below a name, a hundred a call; where there are none, that of the name itself."""
    bucket, name = split(uri)
    with one_line_errors(uri):
        listed = client().list_blobs(
            bucket, prefix=f"{name}/" if name else "", fields="items(name),nextPageToken", retry=RETRY, timeout=TIMEOUT
        )
        below = [Blob(item.name, client().bucket(bucket)) for item in listed]
    if name and not below:
        remove(uri)
    in_parallel(_remove_batch, [below[first : first + _BATCH] for first in range(0, len(below), _BATCH)])


def _remove_batch(blobs: Sequence[Blob]) -> None:
    """One call for all; where any of them fails, each by itself, which retries and takes one that is gone for removed."""
    uris = [f"gs://{item.bucket.name}/{item.name}" for item in blobs]
    try:
        with one_line_errors(uris[0]), client().batch():
            for item in blobs:
                item.delete(timeout=TIMEOUT)
    except (ThreadmillError, FileNotFoundError, ValueError, requests.RequestException):
        for uri in uris:
            remove(uri)
