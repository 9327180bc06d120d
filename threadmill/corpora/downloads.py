"""The cache of files from the web: each downloaded once, checked, and used again as long as the server has no other."""

import hashlib
import logging
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

import orjson

from threadmill.corpora.addresses import public_uri
from threadmill.corpora.web import Version, fetch, is_current
from threadmill.datasets import storage
from threadmill.datasets.digest import file_digest
from threadmill.datasets.lock import writer_lock
from threadmill.errors import ConfigError, DatasetLockedError, DownloadError, InputError
from threadmill.settings import get_settings

log = logging.getLogger(__name__)

_CHECKSUM = re.compile(r"sha256=([0-9a-fA-F]{64})")
_LOCK_SECONDS = 0.2
_PAUSE_SECONDS = 1.0


@dataclass(frozen=True)
class Download:
    """A whole file in the cache, and the SHA-256 (hex) of its bytes."""

    path: str
    sha256: str


def download(url: str, *, pause: float = _PAUSE_SECONDS) -> Download:
    """The file at an http or https address, from the cache where the server has no other, else downloaded.

    What a broken connection or a killed process left is gone on from. Where the server cannot be asked, the file in the
    cache is used, with a warning. Another process that downloads the same file is waited for.

    Args:
        url: with ``#sha256=...`` behind it, a file of another checksum is refused.
        pause: seconds before the first retry; doubled each time.

    Raises:
        InputError: there is no such file, it is empty, or its checksum is another.
        DownloadError: the server did not give it, though it was asked repeatedly.
    """
    address, expected = _split(url)
    slot = _Slot(address)
    os.makedirs(slot.folder, exist_ok=True)
    with _locked(slot.folder):
        found = slot.find_checked(expected)
        if found is not None and (expected or _still_current(address, slot)):
            return found
        version = fetch(address, slot.part, slot.noted(), slot.note, pause)
        return slot.finish(version, expected)


def downloaded(url: str) -> Download:
    """As `download`, but a file that is in the cache is neither asked for nor read."""
    return _Slot(_split(url)[0]).find() or download(url)


def _split(url: str) -> tuple[str, str]:
    """The address, and the checksum in lower case; "" where none is given."""
    address, _, fragment = url.partition("#")
    if not fragment:
        return address, ""
    match = _CHECKSUM.fullmatch(fragment)
    if match is None:
        raise InputError(f"{public_uri(url)}#{fragment}: write the checksum as #sha256= and 64 hexadecimal digits")
    return address, match[1].lower()


def _still_current(address: str, slot: "_Slot") -> bool:
    try:
        current = is_current(address, slot.version())
    except (InputError, DownloadError) as error:
        log.warning("%s; using the file that was downloaded before, %s", error, slot.path)
        return True
    if not current:
        log.info("%s changed on the server since it was downloaded", public_uri(address))
    return current


@contextmanager
def _locked(folder: str) -> Iterator[None]:
    """Holds the right to write in the folder, waiting for who has it."""
    with ExitStack() as held:
        told = False
        while True:
            try:
                held.enter_context(writer_lock(folder))
                break
            except DatasetLockedError:
                if not told:
                    log.info("%s: another process is downloading it; waiting", folder)
                    told = True
                time.sleep(_LOCK_SECONDS)
        yield


class _Slot:
    """Where an address has its file: FOLDER/NAME, with NAME.json once it is whole, and NAME.part[.json] before."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        host = re.sub(r"[^\w.-]", "_", parts.netloc.rsplit("@", 1)[-1])
        name = re.sub(r"[^\w.-]", "_", storage.name_of(parts.path)).lstrip(".") or "source"
        self._address = address
        self.folder = os.path.join(_cache(), host, hashlib.sha256(address.encode()).hexdigest()[:16])
        self.path = os.path.join(self.folder, name)
        self.part = f"{self.path}.part"
        self._about, self._about_part = f"{self.path}.json", f"{self.part}.json"

    def find(self) -> Download | None:
        """The file, if it is whole by its size."""
        about = _read_json(self._about)
        if about is None or storage.size(self.path) != about["bytes"]:
            return None
        return Download(self.path, str(about["sha256"]))

    def find_checked(self, expected: str) -> Download | None:
        """The file, if it is whole by its checksum; removes one that is not, or not the expected one."""
        found = self.find()
        if found is None:
            return None
        if file_digest(found.path) != found.sha256:
            log.warning("%s was damaged since it was downloaded; downloading it again", self.path)
        elif expected not in ("", found.sha256):
            log.warning("%s has another checksum than is expected; downloading it again", self.path)
        else:
            return found
        self._remove(self.path, self._about)
        return None

    def version(self) -> Version:
        """What the server said of the file that is there."""
        about = _read_json(self._about)
        return Version() if about is None else Version(**about["version"])

    def noted(self) -> Version | None:
        """What the server said of the file that is there in part."""
        about = _read_json(self._about_part)
        return None if about is None else Version(**about["version"])

    def note(self, version: Version) -> None:
        """Keeps `noted`."""
        _write_json(self._about_part, {"url": public_uri(self._address), "version": asdict(version)})

    def finish(self, version: Version, expected: str) -> Download:
        """Gives the file its name, once it is checked."""
        size, digest = os.path.getsize(self.part), file_digest(self.part)
        name = public_uri(self._address)
        if expected not in ("", digest):
            self._remove(self.part, self._about_part)
            raise InputError(
                f"{name}: its SHA-256 is {digest}, not {expected}; it was removed: check the address and the checksum, "
                "then run the same command again"
            )
        if not size:
            self._remove(self.part, self._about_part)
            raise InputError(f"{name} is empty (0 bytes); check the address")
        about = {"url": name, "version": asdict(version), "bytes": size, "sha256": digest}
        self._remove(self._about)
        os.replace(self.part, self.path)
        _write_json(self._about, about)  # last: what has none is not taken for whole
        self._remove(self._about_part)
        log.info("%s: %d bytes, sha256 %s, in %s", name, size, digest, self.path)
        return Download(self.path, digest)

    def _remove(self, *paths: str) -> None:
        for path in paths:
            with suppress(FileNotFoundError):
                os.remove(path)


def _cache() -> str:
    cache = get_settings().cache
    if not storage.is_local(cache):
        raise ConfigError(f"the cache {cache} is not on this machine; set THREADMILL_CACHE to a local folder")
    return storage.local_path(cache)


def _read_json(path: str) -> dict[str, Any] | None:
    try:
        return dict(orjson.loads(storage.read_bytes(path)))
    except (FileNotFoundError, ValueError):
        return None


def _write_json(path: str, value: dict[str, Any]) -> None:
    storage.write_bytes(path, orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
