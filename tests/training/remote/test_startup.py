"""The start-up script, run by bash against the fakes, with a Python that only notes what it is asked to do."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.training.remote.cloud import Cloud, made_cloud
from threadmill.datasets import storage
from threadmill.errors import ConfigError
from threadmill.training.remote.attempts import AttemptFolder, HostStatus
from threadmill.training.remote.spec import HostSpec
from threadmill.training.remote.startup import startup_script

pytestmark = pytest.mark.slow

FOLDER = AttemptFolder("gs://bucket/model/.remote/run/1")
TPU = "projects/p1/locations/us-west4-a/queuedResources/threadmill-1"

# It is of the build that is asked for where the file OURS lies beside it; `pip install` lays it there where INSTALLS does.
PYTHON = """#!/bin/bash
here="$(dirname "$0")"
case "$*" in
  "-c "*) [ -e "$here/OURS" ] ;;
  "-m venv "*) mkdir -p "$3/bin" && cp "$0" "$3/bin/python" && { [ ! -e "$here/INSTALLS" ] || cp "$here/INSTALLS" "$3/bin/"; } ;;
  "-m pip "*) echo "$*" >>"$CALLS"; [ ! -e "$here/INSTALLS" ] || touch "$here/OURS" ;;
  "-m threadmill.training.remote.host "*) echo "host $THREADMILL_PROJECT" >>"$CALLS"; eval "$HOST_DOES" ;;
  *) exit 9 ;;
esac
"""


@dataclass
class Machine:
    """A TPU's host: its disk, which outlives reboots, and what its programs were called for."""

    cloud: Cloud
    folder: Path

    def boot(self, does: str = "exit 0", max_seconds: float = 60) -> "subprocess.Popen[bytes]":
        script = self.folder / "startup-script"
        script.write_text(startup_script(spec(max_seconds), "jax[tpu]"))
        script.chmod(0o755)
        environment = {
            **os.environ,
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "CALLS": str(self.folder / "calls"),
            "HOST_DOES": does,
        }
        return subprocess.Popen([script], env=environment, start_new_session=True, stdin=subprocess.DEVNULL)

    def run(self, does: str = "exit 0", max_seconds: float = 60) -> int:
        return self.boot(does, max_seconds).wait(60)

    @property
    def calls(self) -> list[str]:
        path = self.folder / "calls"
        return path.read_text().splitlines() if path.exists() else []

    @property
    def deletions(self) -> int:
        return self.cloud.tpu.faults.calls["tpu.rest.DeleteQueuedResource"]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("python3.11", "python3"):
        (programs / name).write_text(PYTHON)
        (programs / name).chmod(0o755)
    (programs / "OURS").touch()
    with made_cloud(tmp_path, monkeypatch) as cloud:
        storage.write_bytes("gs://bucket/package/threadmill-1-py3-none-any.whl", b"wheel")
        storage.write_bytes("gs://bucket/package/constraints.txt", b"jax==0.10\n")
        yield Machine(cloud, tmp_path)


def spec(max_seconds: float) -> HostSpec:
    wheel, constraints = "gs://bucket/package/threadmill-1-py3-none-any.whl", "gs://bucket/package/constraints.txt"
    made = ("train", {}, (), "gs://bucket/model", "key", FOLDER.uri, 1, "b1", wheel, constraints, TPU, "us-west4-a")
    return HostSpec(*made, max_seconds=max_seconds, heartbeat_seconds=60)


def test_host_does_the_work_and_the_tpu_is_deleted(machine: Machine) -> None:
    assert machine.run() == 0

    assert machine.calls == ["host p1"]
    assert machine.deletions == 1
    assert b"boot" in storage.read_bytes(FOLDER.log_uri)


def test_what_the_host_said_is_not_said_again(machine: Machine) -> None:
    FOLDER.note_status(HostStatus(2, 1, "set less", "ConfigError"))
    machine.run("exit 2")

    assert FOLDER.status == HostStatus(2, 1, "set less", "ConfigError")


def test_host_that_was_killed_is_told_by_the_script(machine: Machine) -> None:
    assert machine.run("kill -9 $$") == 137

    assert FOLDER.status == HostStatus(137, 1, "the program on the TPU host was ended before it could tell why")
    assert machine.deletions == 1


def test_of_two_at_once_the_second_leaves(machine: Machine) -> None:
    first = machine.boot("sleep 5")
    wait_for(lambda: machine.calls == ["host p1"])
    assert machine.run() == 0
    assert machine.deletions == 0
    first.wait()

    assert machine.calls == ["host p1"]
    assert machine.deletions == 1


def test_after_a_reboot_it_goes_on_and_a_stale_lock_of_libtpu_is_removed(machine: Machine) -> None:
    (machine.folder / "libtpu_lockfile").touch()
    first = machine.boot("touch $TMPDIR/libtpu_lockfile; sleep 60")
    wait_for(lambda: machine.calls == ["host p1"])
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert machine.run('[ ! -e "$TMPDIR/libtpu_lockfile" ]') == 0

    assert machine.calls == ["host p1", "host p1"]


def test_time_that_is_over_ends_the_work(machine: Machine) -> None:
    assert machine.run("exec sleep 60", max_seconds=1) == 124

    status = FOLDER.status
    assert status is not None
    assert status.exit_code == 124
    assert machine.deletions == 1


def test_time_goes_on_over_reboots(machine: Machine) -> None:
    assert machine.run("exec sleep 60", max_seconds=1) == 124
    begin = time.monotonic()
    assert machine.run("exec sleep 60", max_seconds=1) == 124

    assert time.monotonic() - begin < 20


def test_threadmill_is_installed_with_its_locked_set(machine: Machine) -> None:
    (machine.folder / "bin" / "OURS").unlink()
    (machine.folder / "bin" / "INSTALLS").touch()
    assert machine.run() == 0

    pip, host = machine.calls
    assert "--constraint" in pip
    assert "threadmill-1-py3-none-any.whl[gcp,train,jax] jax[tpu]" in pip
    assert host == "host p1"
    assert machine.run() == 0  # after a reboot nothing is installed again
    assert machine.calls[2:] == ["host p1"]


def test_wheel_of_another_build_is_refused(machine: Machine) -> None:
    (machine.folder / "bin" / "OURS").unlink()
    assert machine.run() == 2

    status = FOLDER.status
    assert status is not None
    assert (status.exit_code, status.error_kind) == (2, "ConfigError")
    assert "not of build b1" in status.error
    assert machine.deletions == 1


def test_wheel_that_is_gone_is_told(machine: Machine) -> None:
    (machine.folder / "bin" / "OURS").unlink()
    storage.remove("gs://bucket/package/threadmill-1-py3-none-any.whl")
    assert machine.run() == 1

    status = FOLDER.status
    assert status is not None
    assert status.error.startswith("threadmill could not be installed on the TPU host")
    assert machine.deletions == 1


def test_deletion_that_meets_a_fault_is_asked_for_again(machine: Machine) -> None:
    machine.cloud.tpu.faults.add("tpu.rest.DeleteQueuedResource", "503", times=2)
    assert machine.run() == 0

    assert machine.deletions == 3


def test_folder_on_a_disk_is_refused() -> None:
    made = spec(60)
    with pytest.raises(ConfigError, match="is not in a bucket"):
        startup_script(made.__class__(**{**vars(made), "folder": "/model/.remote/run/1"}), "")


def wait_for(condition: object, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.02)
