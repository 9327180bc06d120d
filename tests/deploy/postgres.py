"""A PostgreSQL server of our own in a temporary folder, by Debian's package, never as root."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import psycopg2

SERVERS = "/usr/lib/postgresql"


def find_binaries() -> Path:
    """The folder of initdb and postgres, of the newest version there is.

    Raises:
        AssertionError: there is none.
    """
    found = [path.parent for path in Path(SERVERS).glob("*/bin/initdb")]
    if not found and (initdb := shutil.which("initdb")):
        found = [Path(initdb).parent]
    assert found, "no PostgreSQL server is here; on Debian: apt-get install postgresql"
    return max(found, key=lambda path: (len(path.parent.name), path.parent.name))


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class PostgresServer:
    """A server with a superuser and a database of its name, as the container image of PostgreSQL makes them.

    Attributes:
        port: on 127.0.0.1.
        binaries: the folder of its programs.
    """

    def __init__(self, user: str, database: str, password: str) -> None:
        self.user, self.database, self.password = user, database, password
        self.port = free_port()
        self.binaries = find_binaries()
        self._folder = Path(tempfile.mkdtemp(prefix="threadmill-postgres-"))
        self._account = _account()

    def __enter__(self) -> "PostgresServer":
        """Starts it, and returns when it takes queries."""
        data, password = self._folder / "data", self._folder / "password"
        password.write_text(self.password)
        if self._account:
            for path in (self._folder, password):
                shutil.chown(path, self._account["user"])
        self._run(
            "initdb", f"--pgdata={data}", f"--username={self.user}", f"--pwfile={password}", "--auth=scram-sha-256", "--no-sync"
        )
        arguments = ["-D", data, "-p", str(self.port), "-k", self._folder, "-h", "127.0.0.1", "-c", "fsync=off"]
        with (self._folder / "log").open("wb") as log:
            self._server = subprocess.Popen(
                [self.binaries / "postgres", *arguments], stdout=log, stderr=log, cwd=self._folder, **self._account
            )
        try:
            self._make_database()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Stops it, and removes its folder."""
        self._server.send_signal(signal.SIGINT)  # "fast shutdown": connections are closed
        try:
            self._server.wait(30)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()
        shutil.rmtree(self._folder)

    def query(self, statement: str) -> list[tuple[object, ...]]:
        """The rows that ``statement`` gives."""
        return _query(self.port, self.user, self.password, self.database, statement)

    def _make_database(self) -> None:
        deadline = time.monotonic() + 60
        while True:
            try:
                _query(self.port, self.user, self.password, "postgres", f'CREATE DATABASE "{self.database}"')
            except psycopg2.OperationalError:
                assert self._server.poll() is None, (self._folder / "log").read_text()
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)
            else:
                return

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self.binaries / program), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, cwd=self._folder, **self._account)
        assert done.returncode == 0, done.stderr


def _account() -> dict[str, Any]:
    """Whom the server runs as, for subprocess: ourselves, or where we are root, whom it refuses, another."""
    if os.geteuid() != 0:
        return {}
    known = {entry.pw_name: entry for entry in pwd.getpwall()}
    account = next(known[name] for name in ("postgres", "nobody") if name in known)
    return {"user": account.pw_name, "group": account.pw_gid, "extra_groups": []}


def _query(port: int, user: str, password: str, database: str, statement: str) -> list[tuple[object, ...]]:
    connection = psycopg2.connect(host="127.0.0.1", port=port, user=user, password=password, dbname=database, connect_timeout=5)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()
