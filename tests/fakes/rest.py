"""What fake REST servers share: a call and its answer as values, and a server of threads that loses answers on demand."""

import json
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self, cast
from urllib.parse import parse_qsl, urlsplit

_BLOCK = 1 << 20


class Lost(Exception):
    """The answer never arrives: the connection is closed."""


@dataclass
class Request:
    """A call, whole or as a part of a batch.

    Attributes:
        query: values by name, those of a repeated name joined by line feeds.
        blocks: the body, to be read once.
        host: HOST:PORT as the caller knows it.
    """

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    blocks: Iterator[bytes]
    host: str

    def bytes(self) -> bytes:
        return b"".join(self.blocks)

    def json(self) -> dict[str, Any]:
        return cast(dict[str, Any], json.loads(self.bytes() or b"{}"))


@dataclass
class Answer:
    """What a call is answered: JSON, or ``content``, or ``length`` bytes out of ``stream``."""

    status: int = 200
    json: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    content: bytes = b""
    stream: Iterator[bytes] | None = None
    length: int = 0

    def body(self) -> bytes:
        """What is answered, where it is no stream."""
        return self.content if self.json is None else json.dumps(self.json).encode()


class RestServer(ABC):
    """A server on a port of 127.0.0.1, which answers each call in a thread.

    Args:
        port: 0 for one that is free.
    """

    def __init__(self, port: int = 0) -> None:
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.handle = self.handle
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """What the variable that names the server is to be."""
        return f"http://localhost:{self._server.server_address[1]}"

    def start(self) -> Self:
        """Begins to answer."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Answers no more."""
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    @abstractmethod
    def handle(self, request: Request) -> Answer:
        """Answers one call; raises Lost where the caller is to hear nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    handle: Callable[[Request], Answer]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that hangs up is no fault of the server's; anything else is shown."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16

    def _answer(self) -> None:
        server = cast(_Server, self.server)
        address = urlsplit(self.path)
        query: dict[str, str] = {}
        for key, value in parse_qsl(address.query, keep_blank_values=True):
            query[key] = f"{query[key]}\n{value}" if key in query else value
        blocks = self._blocks()
        host = self.headers.get("Host") or f"localhost:{server.server_address[1]}"
        headers = cast(Mapping[str, str], self.headers)
        try:
            answer = server.handle(Request(self.command, address.path, query, headers, blocks, host))
            for _ in blocks:  # what a refusal left unread
                pass
            self._send(answer)
        except (Lost, ConnectionError):
            self.close_connection = True

    do_GET = do_POST = do_PUT = do_DELETE = do_PATCH = _answer

    def _blocks(self) -> Iterator[bytes]:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while length := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(length)
                self.rfile.readline()
            self.rfile.readline()
            return
        left = int(self.headers.get("Content-Length") or 0)
        while left:
            block = self.rfile.read(min(left, _BLOCK))
            if not block:
                raise ConnectionError("the caller went away")
            left -= len(block)
            yield block

    def _send(self, answer: Answer) -> None:
        content = answer.body()
        self.send_response(answer.status)
        for key, value in {"Content-Type": "application/json; charset=UTF-8", **answer.headers}.items():
            self.send_header(key, value)
        if answer.status not in (204, 304):
            self.send_header("Content-Length", str(answer.length if answer.stream else len(content)))
        self.end_headers()
        for block in answer.stream or (content,):
            self.wfile.write(block)

    def log_message(self, *arguments: Any) -> None:
        """Quiet."""
