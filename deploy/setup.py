"""Makes an Airflow ready for Threadmill: database, pools, the connection to Google Cloud, the administrator's password.

`python deploy/setup.py` does it for the Airflow of this environment, as often as you like: what is there is kept or renewed,
nothing doubles. `python deploy/setup.py --write FOLDER` only writes pools.json and connections.json, for an Airflow that is
reached by its own commands alone, such as Cloud Composer's.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from operators.pools import pool_file
from threadmill.errors import ConfigError, ThreadmillError
from threadmill.settings import get_settings

ADMIN = "admin"
PASSWORDS_FILE = "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"
ADMIN_PASSWORD = "AIRFLOW_ADMIN_PASSWORD"


def connections() -> dict[str, dict[str, str]]:
    """What `airflow connections import` reads: the machine's own credentials, so nothing secret; the project is a setting."""
    description = "Google Cloud by the application default credentials of Airflow's machine (deploy/setup.py made it)"
    return {get_settings().connection: {"conn_type": "google_cloud_platform", "description": description, "extra": "{}"}}


def write_files(folder: Path) -> tuple[Path, Path]:
    """Writes pools.json and connections.json."""
    folder.mkdir(parents=True, exist_ok=True)
    pools, links = folder / "pools.json", folder / "connections.json"
    pools.write_text(json.dumps(pool_file(), indent=2) + "\n")
    links.write_text(json.dumps(connections(), indent=2) + "\n")
    return pools, links


def set_up() -> None:
    """Migrates the database, then makes pools (renewed), the connection (kept where it is there) and the password.

    Raises:
        ConfigError: a setting is wrong, or a command of Airflow failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        pools, links = write_files(Path(folder))  # wrong settings show before anything is done
        _airflow("db", "migrate")
        _airflow("pools", "import", str(pools))
        _airflow("connections", "import", str(links))
    write_password()


def write_password() -> None:
    """Puts the administrator's password, where one is given, into the file of Airflow's SimpleAuthManager; others' stay.

    Raises:
        ConfigError: the file is damaged.
    """
    password, path = os.environ.get(ADMIN_PASSWORD), os.environ.get(PASSWORDS_FILE)
    if not password or not path:
        return
    file = Path(path)
    try:
        passwords = json.loads(file.read_text() or "{}") if file.exists() else {}
    except ValueError:
        raise ConfigError(f"{file} is no JSON; remove it and run deploy/setup.py again") from None
    descriptor, temporary = tempfile.mkstemp(dir=file.parent)  # for its owner only
    with os.fdopen(descriptor, "w") as stream:
        stream.write(json.dumps({**passwords, ADMIN: password}) + "\n")
    os.replace(temporary, file)


def _airflow(*arguments: str) -> None:
    done = subprocess.run([sys.executable, "-m", "airflow", *arguments], stdin=subprocess.DEVNULL)
    if done.returncode:
        command = " ".join(["airflow", *arguments[:2]])
        raise ConfigError(
            f"`{command}` ended with {done.returncode}: the lines above say why; mend it and run deploy/setup.py again"
        )


def main(arguments: Sequence[str]) -> str | None:
    """Runs the program; what went wrong, in one line, or None."""
    parser = argparse.ArgumentParser(description="Make an Airflow ready for Threadmill.")
    parser.add_argument("--write", metavar="FOLDER", type=Path, help="only write pools.json and connections.json there")
    folder = parser.parse_args(arguments).write
    try:
        if folder is None:
            set_up()
        else:
            write_files(folder)
    except ThreadmillError as error:
        return str(error)
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
