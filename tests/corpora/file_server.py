"""A real HTTP server of one file on this machine, with the faults that real ones have."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class FileServer:
    """What is served, and what goes wrong.

    Attributes:
        content, etag, modified: of the file; None for a header that is not sent.
        ranges: whether Range is understood.
        honest_if_range: whether If-Range is.
        break_after: of each coming answer, the bytes after which the connection breaks; answers beyond the list are whole.
        stall_after: of each coming answer, the bytes after which it waits until ``go`` is set.
        statuses: of each coming answer, a status in place of the file; 0 for the file.
        requests: the headers of each request that came.
    """

    content: bytes
    etag: str | None = '"one"'
    modified: str | None = None
    ranges: bool = True
    honest_if_range: bool = True
    content_type: str = "application/octet-stream"
    length_sent: bool = True
    break_after: list[int] = field(default_factory=list)
    stall_after: list[int] = field(default_factory=list)
    go: threading.Event = field(default_factory=threading.Event)
    statuses: list[int] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    address: str = ""

    @contextmanager
    def running(self, name: str = "RC_2006-01.zst") -> Iterator["FileServer"]:
        """Serves under http://127.0.0.1:PORT/dumps/NAME until the block ends; any other path is not found."""

        class Handler(_Handler):
            file = self
            path_served = f"/dumps/{name}"

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{server.server_address[1]}/dumps/{name}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            self.go.set()
            server.shutdown()
            server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    file: FileServer
    path_served: str

    def do_GET(self) -> None:
        self.file.requests.append({name.lower(): value for name, value in self.headers.items()})
        status = self.file.statuses.pop(0) if self.file.statuses else 0
        if self.path.split("?")[0] != self.path_served:
            status = 404
        if status:
            self._answer(status, b"no", {"Content-Type": "text/plain"})
        elif self.file.etag is not None and self.headers.get("If-None-Match") == self.file.etag:
            self._answer(304, b"", {})
        else:
            self._give()

    def _give(self) -> None:
        content, start = self.file.content, self._start()
        headers = {"ETag": self.file.etag, "Last-Modified": self.file.modified, "Content-Type": self.file.content_type}
        if start is None:
            self._answer(200, content, headers)
        elif start >= len(content):
            self._answer(416, b"", {"Content-Range": f"bytes */{len(content)}"})
        else:
            whole = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self._answer(206, content[start:], {**headers, "Content-Range": whole})

    def _start(self) -> int | None:
        """Where the part that is asked for begins; None for the whole."""
        asked = self.headers.get("Range")
        if asked is None or not self.file.ranges:
            return None
        condition = self.headers.get("If-Range")
        if self.file.honest_if_range and condition not in (None, self.file.etag, self.file.modified):
            return None
        return int(asked.removeprefix("bytes=").rstrip("-"))

    def _answer(self, status: int, content: bytes, headers: dict[str, str | None]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            if value is not None:
                self.send_header(name, value)
        if self.file.length_sent and status != 304:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if status in (200, 206) and self.file.break_after:
            content = content[: self.file.break_after.pop(0)]
        if status in (200, 206) and self.file.stall_after:
            first = self.file.stall_after.pop(0)
            self.wfile.write(content[:first])
            content = content[first:]
            self.file.go.wait(30)
        with suppress(ConnectionError):  # who asked may be gone
            self.wfile.write(content)
        self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:
        """Silent."""
