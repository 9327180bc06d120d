"""Checks of what workers install: the wheel can be made, its locked set is whole, and, if asked, can be had from the index."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from threadmill.doctor.checkup import FAIL, PASS, SKIP, Finding, Patient
from threadmill.errors import ThreadmillError

_RESOLVE_SECONDS = 80


def check_package(patient: Patient) -> Iterator[Finding]:
    """The wheel, its locked set, and with ``resolve`` the package index."""
    from threadmill.cloud.package import build_id, wheel_bytes, wheel_name, worker_files

    if not set(patient.parts) & {"dataflow", "tpu", "vertex"}:
        yield Finding(SKIP, "worker package", "no worker is remote")
        return
    try:
        size = len(wheel_bytes())
    except ThreadmillError as error:
        yield Finding(FAIL, "worker package", str(error))
        return
    with tempfile.TemporaryDirectory() as folder:
        _, requirements = worker_files(Path(folder))
        pinned = requirements.read_text().splitlines()
        yield Finding(
            PASS, "worker package", f"{wheel_name()}, {size:,} bytes, build {build_id()}, {len(pinned)} locked packages"
        )
        if patient.resolve:
            yield _resolved(requirements)


def _resolved(requirements: Path) -> Finding:
    what = "worker packages in the index"
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--dest",
        str(requirements.parent),
        "-r",
        str(requirements),
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_RESOLVE_SECONDS)
    except subprocess.TimeoutExpired:
        return Finding(SKIP, what, f"not all in {_RESOLVE_SECONDS} seconds")
    if done.returncode == 0:
        return Finding(PASS, what, "all can be had")
    last = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
    return Finding(FAIL, what, last, "make constraints, install it anew, or set THREADMILL_DATAFLOW_IMAGE")
