import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from deploy.health import main

HEARTBEAT = "2026-01-01T00:00:00+00:00"


class ApiServer(HTTPServer):
    """Answers /airflow/api/v2/monitor/health with what a test sets."""

    answer: Any = None


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, ApiServer)
        found = self.path == "/airflow/api/v2/monitor/health"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(json.dumps(self.server.answer).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[ApiServer]:
    with ApiServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", f"http://127.0.0.1:{server.server_port}/airflow/execution/")
        yield server
        server.shutdown()
        thread.join()


def test_a_component_with_a_heartbeat_is_well(server: ApiServer) -> None:
    server.answer = {"scheduler": {"status": "healthy", "latest_scheduler_heartbeat": HEARTBEAT}}
    assert main(["scheduler"]) is None


def test_one_without_is_told_with_its_last(server: ApiServer) -> None:
    server.answer = {"triggerer": {"status": "unhealthy", "latest_triggerer_heartbeat": HEARTBEAT}}
    assert main(["triggerer"]) == f"triggerer is unhealthy; its last heartbeat: {HEARTBEAT}"


def test_one_that_never_ran_is_not_well(server: ApiServer) -> None:
    server.answer = {"triggerer": {"status": None}}
    assert main(["triggerer"]) == "triggerer is None; its last heartbeat: None"


def test_a_server_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__CORE__EXECUTION_API_SERVER_URL", "http://127.0.0.1:9/execution/")
    message = main(["scheduler"])
    assert message is not None
    assert message.startswith("the API server at http://127.0.0.1:9 does not answer: ")


@pytest.mark.parametrize("arguments", [[], ["worker"], ["scheduler", "triggerer"]])
def test_an_unknown_component_is_refused(arguments: list[str]) -> None:
    assert (main(arguments) or "").startswith("usage: ")
