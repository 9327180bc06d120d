"""The services of docker-compose.yaml as processes: their own commands and environment, with hosts and folders put in place."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.airflow_home import REPOSITORY

VENV = Path(sys.executable).parent
GRACE = 60  # seconds, as stop_grace_period


class Services:
    """Runs services of a resolved compose file.

    Args:
        config: what `docker compose config` printed.
        places: what stands in for a container's host or folder, by its text in the file; longer texts first.
        extra: variables that no container needs, such as ports that hosts of their own would not share.
        logs: folder for what each service prints.
    """

    def __init__(self, config: Mapping[str, Any], places: Mapping[str, str], extra: Mapping[str, str], logs: Path) -> None:
        self._services = config["services"]
        self._places = places
        self._extra = extra
        self._logs = logs
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def run(self, name: str) -> None:
        """Runs a service that ends by itself, to its end; AssertionError with its last words where it fails."""
        self.start(name)
        status = self._running.pop(name).wait(600)
        assert status == 0, f"{name} ended with {status}: {self.printed(name)[-3000:]}"

    def start(self, name: str) -> None:
        """Starts a service, in a process group of its own."""
        command = self._placed(self._services[name]["command"])
        with (self._logs / f"{name}.log").open("ab") as log:
            self._running[name] = subprocess.Popen(
                command, env=self.environment(name), cwd=REPOSITORY, stdout=log, stderr=log, start_new_session=True
            )

    def is_healthy(self, name: str) -> bool:
        """What the service's own healthcheck says."""
        kind, *command = self._services[name]["healthcheck"]["test"]
        assert kind == "CMD"
        environment = self.environment(name)
        return subprocess.run(self._placed(command), env=environment, cwd=REPOSITORY, capture_output=True).returncode == 0

    def wait_until_healthy(self, *names: str, seconds: float = 600) -> None:
        """Waits for healthchecks; AssertionError where a service ends before, or takes longer."""
        deadline = time.monotonic() + seconds
        for name in names:
            while not self.is_healthy(name):
                ended = self._running[name].poll() if name in self._running else None
                assert ended is None, f"{name} ended with {ended}: {self.printed(name)[-3000:]}"
                assert time.monotonic() < deadline, f"{name} is not healthy: {self.printed(name)[-3000:]}"
                time.sleep(1)

    def stop(self, name: str) -> int:
        """Stops a service as an engine does, SIGTERM to its first process, and returns its exit status."""
        process = self._running.pop(name)
        process.send_signal(signal.SIGTERM)
        try:
            return process.wait(GRACE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)

    def stop_all(self) -> None:
        """Stops what runs, the last started first."""
        for name in reversed(list(self._running)):
            with suppress(subprocess.TimeoutExpired):
                self.stop(name)

    def printed(self, name: str) -> str:
        """What a service printed."""
        return (self._logs / f"{name}.log").read_text(errors="replace")

    def environment(self, name: str) -> dict[str, str]:
        """The service's environment: the file's, nothing of ours but where programs are."""
        own = {key: self._place(value) for key, value in self._services[name].get("environment", {}).items() if value is not None}
        programs = {"PATH": f"{VENV}:{os.environ['PATH']}", "PYTHONPATH": str(REPOSITORY)}
        return {**programs, **own, **self._extra}

    def _placed(self, command: Sequence[str]) -> list[str]:
        return [self._place(part) for part in command]

    def _place(self, text: str) -> str:
        for there, here in self._places.items():
            text = text.replace(there, here)
        return text


def processes_with(variable: str, value: str) -> Iterator[int]:
    """The processes, by id, that have ``variable`` set to ``value`` in their environment."""
    wanted = f"{variable}={value}".encode()
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and int(folder.name) != os.getpid():
            with suppress(OSError):
                if wanted in (folder / "environ").read_bytes().split(b"\0"):
                    yield int(folder.name)
