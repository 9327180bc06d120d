"""Airflow's REST API, as a program outside uses it: a password for a token, then the public calls."""

import json
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

_ENDED = ("success", "failed")


class Api:
    """The API server at ``url``, without credentials until `log_in`."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._token = ""

    def log_in(self, user: str, password: str) -> None:
        """Gets a token; urllib.error.HTTPError 401 where the password is wrong."""
        answer = self.call("POST", "/auth/token", {"username": user, "password": password})
        self._token = answer["access_token"]

    def call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """An answer's JSON."""
        return json.loads(self.text(method, path, body) or "null")

    def text(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> str:
        """An answer's text."""
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text: str = answer.read().decode()
            return text

    def status(self, path: str) -> int:
        """The status of a GET."""
        try:
            self.text("GET", path)
        except urllib.error.HTTPError as error:
            return error.code
        return 200

    def dags(self) -> set[str]:
        """The ids of the DAGs that were read."""
        return {dag["dag_id"] for dag in self.call("GET", "/api/v2/dags?limit=100")["dags"]}

    def wait_for_dags(self, expected: set[str], *, seconds: float) -> None:
        """Waits until the DAG processor has read these DAGs; AssertionError with its import errors where it takes longer."""
        deadline = time.monotonic() + seconds
        while missing := expected - self.dags():
            assert time.monotonic() < deadline, f"{missing} are not read: {self.call('GET', '/api/v2/importErrors')}"
            time.sleep(1)

    def trigger(self, dag: str, conf: Mapping[str, Any]) -> str:
        """Unpauses a DAG and starts a run; returns the run's id."""
        self.call("PATCH", f"/api/v2/dags/{dag}", {"is_paused": False})
        run = self.call("POST", f"/api/v2/dags/{dag}/dagRuns", {"logical_date": None, "conf": dict(conf)})
        run_id: str = run["dag_run_id"]
        return run_id

    def wait_for_end(self, dag: str, run: str, *, seconds: float) -> str:
        """The state that a run ends in."""
        deadline = time.monotonic() + seconds
        while (state := self.call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}")["state"]) not in _ENDED:
            assert time.monotonic() < deadline, f"{dag} is {state} after {seconds} s: {self.task_states(dag, run)}"
            time.sleep(1)
        ended: str = state
        return ended

    def task_states(self, dag: str, run: str) -> dict[str, str]:
        """The state of each task of a run."""
        instances = self.call("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        return {instance["task_id"]: instance["state"] for instance in instances}

    def task_log(self, dag: str, run: str, task: str) -> str:
        """The log of a task's first try."""
        return self.text("GET", f"/api/v2/dags/{dag}/dagRuns/{run}/taskInstances/{task}/logs/1")
