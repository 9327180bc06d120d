"""Objects of Cloud Storage as streams, in bounded memory: reading with read-ahead, writing in chunks; crc32c both ways."""

import base64
import io
import re
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import google_crc32c
import requests
from google.api_core import exceptions as api

from threadmill.datasets.cloud_calls import RETRY, TIMEOUT, blob, in_background, is_bucket_missing, one_line_errors
from threadmill.errors import RemoteWorkError, TransferError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_MIB = 1 << 20
WHOLE_BYTES = 8 * _MIB  # up to here an object is sent, and read, in one call that is checked and repeated by itself
CHUNK_BYTES = 16 * _MIB  # of a resumable upload; a multiple of 256 KiB
_NEAR_BYTES = 256 * 1024  # read at least, where reads jump
_ATTEMPTS = 3  # of what arrived damaged


@dataclass(frozen=True)
class Found:
    """What there is of an object: ``generation`` changes with its content; ``crc32c`` is base64."""

    size: int
    crc32c: str
    generation: int


def find(uri: str) -> Found | None:
    """The object at ``uri``, or None."""
    with one_line_errors(uri):
        try:
            place = blob(uri)
            place.reload(retry=RETRY, timeout=TIMEOUT)
        except api.NotFound as error:
            if is_bucket_missing(error):
                raise
            return None
        return Found(int(place.size), place.crc32c or "", int(place.generation))


@dataclass(frozen=True)
class Written:
    """An object of the content that was to be written; ``new`` is False where it was there already."""

    generation: int
    new: bool


def put(uri: str, content: bytes, generation: int) -> Written | None:
    """Writes an object if it is of ``generation``, 0 for none; None where it is of another.

    The same content there already is as good: the answer to an earlier try may have been lost.
    """
    for attempt in range(_ATTEMPTS):
        place = blob(uri)
        try:
            with one_line_errors(uri):
                place.upload_from_string(
                    content,
                    content_type="application/octet-stream",
                    checksum="crc32c",
                    if_generation_match=generation,
                    retry=RETRY,
                    timeout=TIMEOUT,
                )
            return Written(int(place.generation), new=True)
        except api.PreconditionFailed:
            there = find(uri)
            return Written(there.generation, new=False) if there is not None and _is(there, content) else None
        except TransferError:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError


def crc32c_of(value: int) -> str:
    """A CRC-32C as the API writes it."""
    return base64.b64encode(value.to_bytes(4, "big")).decode()


def _is(found: Found, content: bytes) -> bool:
    return (found.size, found.crc32c) == (len(content), crc32c_of(google_crc32c.value(content)))


class ObjectWriter(io.RawIOBase):
    """Writes an object that appears when `publish` is called, and not at all otherwise; at most two chunks are in memory.

    Attributes:
        version: the generation that was written; 0 where the same content was there already.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._held = bytearray()
        self._session: _Session | None = None
        self._size = 0
        self.version = 0

    def writable(self) -> bool:
        """True."""
        return True

    def tell(self) -> int:
        """Bytes written so far."""
        return self._size

    def write(self, content: Any) -> int:
        """Takes bytes; sends them chunk by chunk."""
        view = memoryview(content).cast("B")
        for first in range(0, view.nbytes, CHUNK_BYTES):
            self._held += view[first : first + CHUNK_BYTES]
            if len(self._held) > CHUNK_BYTES:  # one byte at least is left for the last chunk
                self._send(CHUNK_BYTES, last=False)
        self._size += view.nbytes
        return view.nbytes

    def publish(self) -> None:
        """Makes it an object.

        Raises:
            TransferError: its bytes arrived damaged.
            RemoteWorkError: another wrote other content under this name meanwhile.
        """
        if self._session is None and self._size <= WHOLE_BYTES:
            self.version = write_bytes(self._uri, bytes(self._held))
        else:
            self._send(len(self._held), last=True)
        self._held.clear()

    def abandon(self) -> None:
        """Lets go of what was sent."""
        self._held.clear()
        if self._session is not None:
            self._session.abandon()

    def _send(self, length: int, *, last: bool) -> None:
        if self._session is None:
            self._session = _Session(self._uri)
        chunk = bytes(memoryview(self._held)[:length])
        del self._held[:length]
        self.version = self._session.send(chunk, last=last)


def write_bytes(uri: str, content: bytes) -> int:
    """Writes an object, over what is there; returns its generation, or 0 where the same content was there already."""
    generation = 0
    for _ in range(_ATTEMPTS):
        written = put(uri, content, generation)
        if written is not None:
            return written.generation if written.new else 0
        there = find(uri)
        generation = there.generation if there is not None else 0
    raise RemoteWorkError(f"{uri} is written by others all the time; see to it that one run writes there, then run it again")


class _Session:
    """A resumable upload (https://cloud.google.com/storage/docs/performing-resumable-uploads)."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._begun = find(uri)
        self._crc32c = 0
        self._persisted = 0
        self._unsure = False
        self._http = requests.Session()
        with one_line_errors(uri):
            self._url = blob(uri).create_resumable_upload_session(
                content_type="application/octet-stream",
                checksum=None,
                if_generation_match=self._begun.generation if self._begun else 0,
                timeout=TIMEOUT,
                retry=RETRY,
            )

    def send(self, chunk: bytes, *, last: bool) -> int:
        """Sends the next chunk; returns the object's generation after the last, 0 before."""
        first = self._persisted
        self._crc32c = google_crc32c.extend(self._crc32c, chunk)
        total = first + len(chunk) if last else None
        try:
            with one_line_errors(self._uri):
                return int(RETRY(self._attempt)(memoryview(chunk), first, total))
        except api.PreconditionFailed:
            return self._adopt(first + len(chunk))
        except FileNotFoundError:
            raise TransferError(f"{self._uri}: Cloud Storage gave the upload up; run it again") from None

    def abandon(self) -> None:
        """Cancels the upload; one that is left ends by itself within a week."""
        with suppress(requests.RequestException):
            self._http.delete(self._url, timeout=TIMEOUT)
        self._http.close()

    def _attempt(self, chunk: memoryview, first: int, total: int | None) -> int:
        """Sends what is not persisted of the chunk; after a fault it asks first how much is."""
        end = first + len(chunk)
        while True:
            response = self._put(b"", "*", total) if self._unsure else self._put_rest(chunk, first, end, total)
            if response.status_code in (200, 201):
                self._http.close()
                return self._checked(response.json())
            if response.status_code != 308:
                raise api.from_http_response(response)  # type: ignore[no-untyped-call]
            self._unsure = False
            self._persisted = _persisted(response)
            if self._persisted < first:
                raise TransferError(f"{self._uri}: Cloud Storage lost bytes that had arrived; run it again")
            if total is None and self._persisted >= end:
                return 0

    def _checked(self, made: dict[str, str]) -> int:
        """The generation of what was made. Where the answer to the last bytes was lost, no checksum was sent that refuses it."""
        generation = int(made["generation"])
        if made["crc32c"] != crc32c_of(self._crc32c):
            blob(self._uri).delete(if_generation_match=generation, timeout=TIMEOUT, retry=RETRY)
            raise TransferError(f"{self._uri}: its bytes arrived damaged; run it again")
        return generation

    def _put_rest(self, chunk: memoryview, first: int, end: int, total: int | None) -> requests.Response:
        self._unsure = True  # until it is answered
        rest = chunk[self._persisted - first :]
        return self._put(bytes(rest), f"{self._persisted}-{end - 1}" if rest else "*", total)

    def _put(self, content: bytes, span: str, total: int | None) -> requests.Response:
        headers = {"Content-Range": f"bytes {span}/{'*' if total is None else total}"}
        if total is not None and content:
            headers["X-Goog-Hash"] = f"crc32c={crc32c_of(self._crc32c)}"
        return self._http.put(self._url, data=content, headers=headers, timeout=TIMEOUT)

    def _adopt(self, size: int) -> int:
        there = find(self._uri)
        if there is not None and (there.size, there.crc32c) == (size, crc32c_of(self._crc32c)):
            return 0
        raise RemoteWorkError(
            f"{self._uri} was written by another with other content meanwhile; let one run write there, then run it again"
        )


def _persisted(response: requests.Response) -> int:
    found = re.fullmatch(r"bytes=0-(\d+)", response.headers.get("Range", ""))
    return int(found[1]) + 1 if found else 0


class ObjectReader(io.RawIOBase):
    """Reads an object of one generation: seekable, reading ahead ever farther as long as reads follow each other.

    All of it is checked by its crc32c where it is read from front to end, or is small.

    Args:
        found: as of `find`.

    Raises (on reading):
        TransferError: its bytes arrived damaged.
        RemoteWorkError: it was replaced meanwhile.
    """

    def __init__(self, uri: str, found: Found) -> None:
        self._uri, self._found = uri, found
        self._place = 0
        self._window, self._first = b"", 0
        self._ahead = _MIB if found.size > WHOLE_BYTES else WHOLE_BYTES
        self._next: tuple[int, Future[bytes]] | None = None
        self._crc32c, self._checked = 0, 0
        place = blob(uri)
        self._bucket, self._name = place.bucket, place.name

    def readable(self) -> bool:
        """True."""
        return True

    def seekable(self) -> bool:
        """True."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Moves to a place."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._found.size}[whence]
        if base + offset < 0:
            raise ValueError(f"{self._uri}: a negative place")
        self._place = base + offset
        return self._place

    def tell(self) -> int:
        """The place."""
        return self._place

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Reads some bytes."""
        view = memoryview(buffer).cast("B")
        wanted = min(len(view), self._found.size - self._place)
        if wanted <= 0:
            return 0
        if not self._first <= self._place < self._first + len(self._window):
            self._fetch(wanted)
        begin = self._place - self._first
        part = memoryview(self._window)[begin : begin + wanted]
        view[: len(part)] = part
        self._place += len(part)
        return len(part)

    def close(self) -> None:
        """Lets go of what was read ahead."""
        self._window = b""
        if self._next is not None:
            self._next[1].cancel()
            self._next = None
        super().close()

    def _fetch(self, wanted: int) -> None:
        """Makes the window begin at the place, or hold all of a small object."""
        follows = self._place == self._first + len(self._window)
        if self._found.size <= WHOLE_BYTES:
            first, length = 0, self._found.size
        elif follows:
            first, length = self._place, max(wanted, self._ahead)
            self._ahead = min(2 * self._ahead, CHUNK_BYTES)
        else:
            first, length = self._place, max(wanted, _NEAR_BYTES)
            self._ahead = _MIB
        self._window, self._first = self._checked_window(first, min(first + length, self._found.size)), first
        end = first + len(self._window)
        if follows and end < self._found.size and first:  # the second of a sequence: the third will be asked for
            self._read_ahead(end)

    def _read_ahead(self, first: int) -> None:
        end = min(first + self._ahead, self._found.size)
        self._next = (first, in_background(lambda: self._download(first, end)))

    def _checked_window(self, first: int, end: int) -> bytes:
        content = self._from_ahead(first) or self._download(first, end)
        if first != self._checked:
            return content
        for attempt in range(_ATTEMPTS):
            crc32c = google_crc32c.extend(self._crc32c, content)
            if first + len(content) < self._found.size or crc32c_of(crc32c) == self._found.crc32c:
                self._crc32c, self._checked = crc32c, first + len(content)
                return content
            if attempt < _ATTEMPTS - 1:
                content = self._download(first, end)
        raise TransferError(
            f"{self._uri}: its bytes arrived damaged (crc32c {crc32c_of(crc32c)}, wanted {self._found.crc32c}); run it again"
        )

    def _from_ahead(self, first: int) -> bytes:
        if self._next is None:
            return b""
        begin, future = self._next
        self._next = None
        if begin == first:
            return future.result()
        future.cancel()
        return b""

    def _download(self, first: int, end: int) -> bytes:
        for _ in range(_ATTEMPTS):
            with one_line_errors(self._uri):
                try:
                    content: bytes = self._bucket.blob(self._name).download_as_bytes(
                        start=first,
                        end=end - 1,
                        raw_download=True,
                        checksum=None,
                        if_generation_match=self._found.generation,
                        single_shot_download=True,
                        retry=RETRY,
                        timeout=TIMEOUT,
                    )
                except (api.PreconditionFailed, api.NotFound):
                    raise RemoteWorkError(f"{self._uri} was replaced or removed while it was read; run it again") from None
            if len(content) == end - first:
                return content
        raise TransferError(f"{self._uri}: {len(content)} of {end - first} bytes arrived; run it again")


def read_bytes(uri: str) -> bytes:
    """All of a small object, in one call, checked by its crc32c."""
    for attempt in range(_ATTEMPTS):
        try:
            with one_line_errors(uri):
                content: bytes = blob(uri).download_as_bytes(
                    raw_download=True, checksum="crc32c", single_shot_download=True, retry=RETRY, timeout=TIMEOUT
                )
                return content
        except TransferError:
            if attempt == _ATTEMPTS - 1:
                raise
    raise AssertionError
