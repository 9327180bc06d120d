"""Fetches a file over HTTP to a local one: goes on where it broke off, retries, and never mixes two versions of the file."""

import errno
import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import IO

import requests
import urllib3

from threadmill.corpora.addresses import public_uri
from threadmill.errors import DownloadError, InputError

log = logging.getLogger(__name__)

_CHUNK_BYTES = 1 << 20
_TIMEOUT = (10, 60)  # seconds to connect, and between two reads
_MOST_FAILURES = 6  # in a row that brought nothing
_MOST_RESTARTS = 5
_LONGEST_PAUSE = 60.0  # seconds
_TELL_EVERY = 30.0  # seconds
_RETRIED = {408, 425, 429, 500, 502, 503, 504, 507, 520, 521, 522, 523, 524}
_GONE = {404, 410}
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)")  # RFC 9110, section 14.4


@dataclass(frozen=True)
class Version:
    """What a server tells of a file: its ETag and Last-Modified ("" for none), and its size in bytes (-1 where unknown)."""

    etag: str = ""
    modified: str = ""
    size: int = -1

    @classmethod
    def of(cls, response: requests.Response) -> "Version":
        """Of a whole answer, or of the part that a 206 holds."""
        total = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        size = total[2] if total else response.headers.get("Content-Length", "")
        etag, modified = response.headers.get("ETag", ""), response.headers.get("Last-Modified", "")
        return cls(etag, modified, int(size) if size.isdigit() else -1)

    @property
    def validator(self) -> str:
        """For If-Range: a strong ETag, or the time of change; "" where nothing tells two versions apart (RFC 9110, 13.1.5)."""
        return self.etag if self.etag and not self.etag.startswith("W/") else self.modified

    def is_same(self, other: "Version") -> bool:
        """True where nothing says that they differ, and something that they do not."""
        if -1 not in (self.size, other.size) and self.size != other.size:
            return False
        if self.etag and other.etag:
            return self.etag.removeprefix("W/") == other.etag.removeprefix("W/")
        if self.modified and other.modified:
            return self.modified == other.modified
        return self.size == other.size != -1


class _InterruptedError(Exception):
    """The transfer failed in a way that may pass; ``wait`` is what the server asked for, in seconds."""

    def __init__(self, why: str, wait: float = 0.0) -> None:
        super().__init__(why)
        self.wait = wait


def is_there(url: str) -> bool:
    """True where the server has the file, False where it says that it has none.

    Raises:
        InputError: it refuses to tell.
        DownloadError: it does not answer.
    """
    try:
        with _answer(url, {}) as response:
            return response.status_code not in _GONE and _accept(url, response)
    except _InterruptedError as error:
        raise DownloadError(f"{public_uri(url)}: {error}; try again later") from error


def is_current(url: str, version: Version) -> bool:
    """True where the server's file is still ``version``.

    Raises:
        InputError, DownloadError: as `is_there`.
    """
    conditions = {"If-None-Match": version.etag, "If-Modified-Since": version.modified}
    try:
        with _answer(url, {name: value for name, value in conditions.items() if value}) as response:
            return response.status_code == 304 or (_accept(url, response) and Version.of(response).is_same(version))
    except _InterruptedError as error:
        raise DownloadError(f"{public_uri(url)}: {error}, so it is not known whether the file changed") from error


def fetch(url: str, part: str, noted: Version | None, note: Callable[[Version], None], pause: float) -> Version:
    """Downloads ``url`` to the file ``part``, from where an earlier call ended if the server still has that version.

    Args:
        noted: the version of which ``part`` holds the beginning, if there is one.
        note: keeps the version for a later call; called before the first byte of it is written.
        pause: seconds before the first retry; doubled each time.

    Returns:
        The version that ``part`` now holds in full.

    Raises:
        InputError: the server has no such file, or does not give it.
        DownloadError: it broke off too often.
    """
    transfer = _Transfer(url, part, noted, note)
    failures = 0
    while True:
        before = transfer.position()
        try:
            return transfer.run()
        except _InterruptedError as error:
            failures = 1 if transfer.position() > before else failures + 1
            if failures > _MOST_FAILURES or transfer.restarts > _MOST_RESTARTS:
                raise DownloadError(
                    f"{public_uri(url)}: {error}; gave up after {failures} tries in a row; run the same command again later "
                    f"to go on from byte {transfer.position()}"
                ) from error
            wait = min(max(pause * 2 ** (failures - 1), error.wait), _LONGEST_PAUSE)
            log.warning("%s: %s; trying again in %.0f s", public_uri(url), error, wait)
            time.sleep(wait)


class _Transfer:
    """One file on its way."""

    def __init__(self, url: str, part: str, noted: Version | None, note: Callable[[Version], None]) -> None:
        self._url, self._part, self._noted, self._note = url, part, noted, note
        self.restarts = 0

    def position(self) -> int:
        """Bytes that are there and can be gone on from."""
        if self._noted is None or not self._noted.validator or not os.path.exists(self._part):
            return 0
        return os.path.getsize(self._part)

    def run(self) -> Version:
        start = self.position()
        if self._noted is not None and start and start == self._noted.size:
            return self._noted  # a run was killed after its last byte
        with _answer(self._url, self._range(start)) as response:
            if response.status_code == 416:
                self._start_anew("the server has fewer bytes of it than are here")
            _accept(self._url, response)
            version = Version.of(response)
            if response.status_code == 206:
                self._go_on(response, start, version)
            else:
                self._begin(start, version)
            self._receive(response, version)
        if version.size not in (-1, os.path.getsize(self._part)):
            raise _InterruptedError(f"{os.path.getsize(self._part)} of {version.size} bytes came")
        return version

    def _range(self, start: int) -> dict[str, str]:
        if not start or self._noted is None:
            return {}
        return {"Range": f"bytes={start}-", "If-Range": self._noted.validator}

    def _go_on(self, response: requests.Response, start: int, version: Version) -> None:
        """Raises _InterruptedError, and forgets what was there, where the answer is no continuation of it."""
        place = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
        if place is None or place[1] != str(start):
            self._start_anew("the server gave another range than was asked for")
        if self._noted is None or not version.is_same(self._noted):
            self._start_anew("the file changed on the server")
        log.info("%s: going on from byte %d of %d", public_uri(self._url), start, version.size)

    def _begin(self, start: int, version: Version) -> None:
        if start:
            self.restarts += 1
            log.warning("%s changed on the server; downloading it from the beginning", public_uri(self._url))
        self._forget()
        self._note(version)
        self._noted = version
        size = f" ({version.size} bytes)" if version.size >= 0 else ""
        log.info("%s: downloading%s", public_uri(self._url), size)

    def _start_anew(self, why: str) -> None:
        self.restarts += 1
        self._forget()
        raise _InterruptedError(f"{why}, so it is downloaded from the beginning")

    def _forget(self) -> None:
        self._noted = None
        with suppress(FileNotFoundError):
            os.remove(self._part)

    def _receive(self, response: requests.Response, version: Version) -> None:
        try:
            with open(self._part, "ab") as stream:
                _copy(response, stream, version, public_uri(self._url))
                os.fsync(stream.fileno())
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO):
                raise OSError(error.errno, error.strerror, self._part) from error  # the error of a write names no file
            raise


def _copy(response: requests.Response, stream: IO[bytes], version: Version, name: str) -> None:
    told = time.monotonic()
    try:
        while chunk := response.raw.read1(_CHUNK_BYTES, decode_content=False):  # as stored; read() drops its last
            stream.write(chunk)
            if time.monotonic() - told > _TELL_EVERY:
                told = time.monotonic()
                log.info("%s: %d of %d bytes", name, stream.tell(), version.size)
    except (urllib3.exceptions.HTTPError, TimeoutError, ConnectionError) as error:
        raise _InterruptedError(f"the connection broke ({type(error).__name__})") from error


@contextmanager
def _answer(url: str, headers: dict[str, str]) -> Iterator[requests.Response]:
    """The server's answer, its content not yet read. Raises _InterruptedError where there is none, or one for later."""
    try:
        response = requests.get(url, headers={"Accept-Encoding": "identity", **headers}, stream=True, timeout=_TIMEOUT)
    except (requests.ConnectionError, requests.Timeout) as error:  # their texts hold the whole address
        raise _InterruptedError(f"no answer ({type(error).__name__})") from None
    except (requests.RequestException, UnicodeError) as error:
        raise InputError(f"{public_uri(url)} cannot be asked for ({type(error).__name__}); check the address") from None
    with response:
        if response.status_code in _RETRIED:
            wait = response.headers.get("Retry-After", "")
            raise _InterruptedError(f"the server answered {response.status_code}", float(wait) if wait.isdigit() else 0.0)
        yield response


def _accept(url: str, response: requests.Response) -> bool:
    """True for an answer that holds the file; raises InputError for any other."""
    status, name = response.status_code, public_uri(url)
    if status in _GONE:
        raise InputError(f"{name} does not exist (the server answered {status}); check the address")
    if status in (401, 403):
        raise InputError(f"{name} is not for everybody (the server answered {status}); check the address and your access to it")
    if status not in (200, 206):
        raise InputError(f"{name}: the server answered {status}; check the address, or download the file by other means")
    if response.headers.get("Content-Type", "").startswith("text/html"):
        raise InputError(f"{name} is a web page, not a dump; name the address of the file itself")
    return True
