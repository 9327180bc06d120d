"""Where the bytes of a source are, whether they can be read, and whether they stay as they are."""

import os
import stat
from dataclasses import dataclass

from threadmill.corpora.addresses import is_on_the_web, public_uri
from threadmill.corpora.known_digests import keep_digest, known_digest
from threadmill.datasets import storage
from threadmill.datasets.digest import file_digest
from threadmill.errors import InputError


@dataclass(frozen=True)
class SourceState:
    """The SHA-256 (hex) of a source, and the fingerprint that it had then."""

    digest: str
    fingerprint: str


def check_source(uri: str) -> None:
    """Raises InputError where ``uri`` is no readable, non-empty file. One on the web is looked at when it is downloaded."""
    if is_on_the_web(uri):
        return
    if storage.is_directory(uri):
        raise InputError(f"{uri} is a folder; name the dump file in it, such as {storage.join(uri, 'RC_2006-01.zst')}")
    size = storage.size(uri)
    if size < 0:
        raise InputError(f"{uri} does not exist; check the path, or download the month's dump")
    if storage.is_local(uri) and not stat.S_ISREG(os.stat(storage.local_path(uri)).st_mode):
        raise InputError(f"{uri} is not a regular file, so a retry could not read it again; write it to a file first")
    if size == 0:
        raise InputError(f"{uri} is empty (0 bytes); download it again")


def source_exists(uri: str) -> bool:
    """True if the file is there.

    Raises:
        InputError, DownloadError: a server does not tell.
    """
    if not is_on_the_web(uri):
        return storage.exists(uri)
    from threadmill.corpora.web import is_there

    return is_there(uri)


def readable(uri: str) -> str:
    """The URI at which storage can open the source: itself, or that of its download, made now where there is none."""
    if not is_on_the_web(uri):
        return uri
    from threadmill.corpora.downloads import downloaded

    return downloaded(uri).path


def source_state(uri: str) -> SourceState:
    """Reads the source for its digest; one on the web is downloaded first, anew where the server has another file.

    Raises:
        InputError: it changes meanwhile, or cannot be downloaded.
    """
    if is_on_the_web(uri):
        from threadmill.corpora.downloads import download

        copy = download(uri)
        return SourceState(copy.sha256, fingerprint(copy.path))
    state = fingerprint(uri)
    known = known_digest(uri, state)
    digest = known or file_digest(uri)
    refuse_change(uri, state)
    if not known:
        keep_digest(uri, state, digest)
    return SourceState(digest, state)


def fingerprint(uri: str) -> str:
    """What differs once the file has been written again: size, time and inode, or what a store tells; "" for no file."""
    if storage.is_cloud(uri):
        return storage.version(uri)
    try:
        if storage.is_local(uri):
            status = os.stat(storage.local_path(uri))
            return f"{status.st_size} {status.st_mtime_ns} {status.st_ino}"
        from fsspec.core import url_to_fs

        filesystem, path = url_to_fs(uri)
        filesystem.invalidate_cache()
        return f"{filesystem.size(path)} {filesystem.ukey(path)}"
    except FileNotFoundError:
        return ""


def refuse_change(uri: str, before: str) -> None:
    """Raises InputError where the source's fingerprint is no longer ``before``."""
    if fingerprint(readable(uri)) != before:
        raise InputError(
            f"{public_uri(uri)} changed while it was read; let its download or copy end, then run the same command again"
        )
