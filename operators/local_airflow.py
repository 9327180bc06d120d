"""Airflow on one machine with our DAGs: `python -m operators.local_airflow demo` and `... ui`, which make calls."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from urllib.error import URLError

from threadmill.cli import main as threadmill

_CHECKOUT = Path(__file__).resolve().parent.parent
_STATE = _CHECKOUT / ".threadmill"
_DEMO_MONTH = "2006-01"
# Small enough for two minutes on two cores, large enough for the loss to fall clearly below the unigram model's.
_DEMO = {
    "source": "sample",
    "month": _DEMO_MONTH,
    "sample_comments": 30_000,
    "vocab_size": 2_500,
    "max_seq_length": 64,
    "max_predictions_per_seq": 10,
    "dupe_factor": 4,
    "batch_size": 32,
    "steps": 500,
}


def environment() -> dict[str, str]:
    """The environment of an Airflow whose state lies in this checkout, and which knows our DAGs and plugin."""
    inherited = dict(os.environ)
    ours = {
        "AIRFLOW_HOME": str(_STATE / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(_CHECKOUT / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(_CHECKOUT / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__PARALLELISM": "4",  # the default of 32 starts 40 processes and 5.6 GB
        "PYTHONWARNINGS": "ignore",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        # `airflow standalone` starts its parts as `airflow`, wherever PATH finds it.
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), inherited.get("PATH", "")]),
    }
    return {"THREADMILL_ROOT": str(_STATE / "data"), **inherited, **ours}


def demo() -> int:
    """Runs reddit_refresh over the sample world with `airflow dags test`, then shows what it made."""
    quiet = {
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "WARNING",
        "AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS": "operators.console.LOGGING_CONFIG",
    }
    variables = {**environment(), **quiet}
    _migrate(variables)
    command = ["dags", "test", "reddit_refresh", "--conf", json.dumps(_DEMO)]
    status = subprocess.run([sys.executable, "-m", "airflow", *command], env=variables).returncode
    if status:
        print("the run failed: the lines above say where; `make demo` again goes on from there", file=sys.stderr)
        return status
    return threadmill(["overview", str(Path(variables["THREADMILL_ROOT"]) / "reddit" / _DEMO_MONTH)])


def _migrate(variables: dict[str, str]) -> None:
    if (Path(variables["AIRFLOW_HOME"]) / "airflow.db").exists():
        return
    migration = subprocess.run([sys.executable, "-m", "airflow", "db", "migrate"], env=variables, capture_output=True, text=True)
    if migration.returncode:
        sys.exit(f"airflow db migrate failed:\n{migration.stdout}{migration.stderr}")


def ui() -> int:
    """Starts `airflow standalone` on loopback, prints the address when it is healthy, and stops all of it on Ctrl-C."""
    port = os.environ.get("PORT", "8080")
    address = f"http://127.0.0.1:{port}"
    variables = {
        **environment(),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",  # loopback only, so nobody else can come
        # Runs start by hand here: without this, unpausing would first start the month before's.
        "AIRFLOW__SCHEDULER__USE_JOB_SCHEDULE": "False",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": port,
        "AIRFLOW__API__BASE_URL": address,
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{address}/execution/",
    }
    log = Path(variables["AIRFLOW_HOME"]) / "standalone.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    print(f"starting Airflow (its log: {log}) ...", flush=True)
    with log.open("w") as stream:
        server = subprocess.Popen(
            [sys.executable, "-m", "airflow", "standalone"], env=variables, stdout=stream, stderr=stream, start_new_session=True
        )
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        return _serve(server, address, log)
    except KeyboardInterrupt:
        return 0
    finally:
        _stop(server)


def _serve(server: "subprocess.Popen[bytes]", address: str, log: Path) -> int:
    while not _healthy(address):
        if server.poll() is not None:
            print(f"Airflow did not start; {log} says why (is the port taken? PORT=8081 make ui uses another)", file=sys.stderr)
            return 1
        time.sleep(1)
    print(f"Airflow is ready: {address}/dags/reddit_refresh  (no password; Ctrl-C stops it)", flush=True)
    return server.wait()


def _healthy(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/api/v2/monitor/health", timeout=5) as answer:
            health = json.load(answer)
    except (URLError, OSError, ValueError):
        return False
    return all(health[part]["status"] == "healthy" for part in ("metadatabase", "scheduler", "dag_processor"))


def _stop(server: "subprocess.Popen[bytes]") -> None:
    """Stops the whole process group: standalone's children outlive their parent."""
    with suppress(subprocess.TimeoutExpired, ProcessLookupError):
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)
    with suppress(ProcessLookupError):
        os.killpg(server.pid, signal.SIGKILL)


_COMMANDS: dict[str, Callable[[], int]] = {"demo": demo, "ui": ui}

if __name__ == "__main__":
    if len(sys.argv) != 2 or sys.argv[1] not in _COMMANDS:
        sys.exit(f"usage: python -m operators.local_airflow {'|'.join(_COMMANDS)}")
    sys.exit(_COMMANDS[sys.argv[1]]())
