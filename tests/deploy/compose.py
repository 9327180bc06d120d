"""docker-compose.yaml as docker compose itself reads it: its `config` needs no engine."""

import json
import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.airflow_home import REPOSITORY

COMPOSE_FILE = REPOSITORY / "docker-compose.yaml"
ENV_EXAMPLE = REPOSITORY / "docker" / "env.example"
SECRETS = (
    "POSTGRES_PASSWORD",
    "AIRFLOW_ADMIN_PASSWORD",
    "AIRFLOW__CORE__FERNET_KEY",
    "AIRFLOW__API_AUTH__JWT_SECRET",
    "AIRFLOW__API__SECRET_KEY",
)


def write_env(path: Path, values: Mapping[str, str]) -> Path:
    """Writes env.example with ``values`` set, as a person would: an empty line is filled, a comment's mark taken away."""
    text = ENV_EXAMPLE.read_text()
    for name, value in values.items():
        text, found = re.subn(rf"^#?{name}=.*$", lambda _, line=f"{name}={value}": line, text, flags=re.MULTILINE)
        assert found == 1, f"env.example has {found} lines for {name}"
    path.write_text(text)
    return path


def config(env_file: Path, *files: Path) -> dict[str, Any]:
    """What `docker compose config` makes of the compose files; AssertionError with its own words where it refuses them."""
    run = run_config(env_file, *files)
    assert run.returncode == 0, run.stderr
    resolved: dict[str, Any] = json.loads(run.stdout)
    return resolved


def run_config(env_file: Path, *files: Path) -> "subprocess.CompletedProcess[str]":
    """Runs `docker compose config`, with nothing in its environment but the variables of ``env_file``."""
    tool = Path(os.environ.get("TOOLS", ".tools"), "docker-compose").resolve()
    assert tool.exists(), f"{tool} is not there: make test-cloud makes it"
    chosen = [part for file in files or (COMPOSE_FILE,) for part in ("--file", str(file))]
    command = [
        str(tool),
        "--env-file",
        str(env_file),
        "--project-directory",
        str(REPOSITORY),
        *chosen,
        "config",
        "--format",
        "json",
    ]
    return subprocess.run(command, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin", "HOME": str(env_file.parent)})
