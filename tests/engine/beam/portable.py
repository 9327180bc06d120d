"""A real portable runner for tests: Prism as a server, and Beam's worker pool as another process, on free ports."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

PRISM = Path(os.environ.get("TOOLS", ".tools")) / "prism"
REPOSITORY = Path(__file__).parents[3]


def free_port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def await_port(port: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise TimeoutError(f"nothing listens on port {port}")


class Server:
    """A process that listens on a port; ended with all that it started."""

    def __init__(self, arguments: list[str], port: int, log: Path) -> None:
        self.port = port
        self._arguments, self._log = arguments, log
        self.start()

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    def start(self) -> None:
        with self._log.open("ab") as log:
            # The pool starts its workers as `python`, which must be ours, where our code can be imported.
            environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
            self.process = subprocess.Popen(
                self._arguments, stdout=log, stderr=log, cwd=REPOSITORY, env=environment, start_new_session=True
            )
        await_port(self.port)

    def stop(self) -> None:
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def log(self) -> str:
        return self._log.read_text(errors="replace")


def prism(folder: Path) -> Server:
    port = free_port()
    return Server([str(PRISM.absolute()), "-job_port", str(port), "-serve_http=false"], port, folder / "prism.log")


def worker_pool(folder: Path) -> Server:
    port = free_port()
    pool = [sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main", "--service_port", str(port)]
    return Server(pool, port, folder / "pool.log")
