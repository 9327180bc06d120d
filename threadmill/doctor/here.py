"""Checks of this machine: Python, packages, memory, disk, the root, and Airflow's database where there is one."""

import importlib.util
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from importlib import metadata

from threadmill.datasets import storage
from threadmill.doctor.checkup import FAIL, PASS, SKIP, Finding, Patient

_PYTHON = (3, 11)
_DISK_GB = 5
_MEMORY_GB = 2
_AIRFLOW_SECONDS = 60


def check_python(_: Patient) -> Iterator[Finding]:
    """The version that the locked set is of."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    if sys.version_info[:2] == _PYTHON:
        yield Finding(PASS, "Python", version)
    else:
        wanted = ".".join(map(str, _PYTHON))
        yield Finding(FAIL, "Python", f"{version}; {wanted} is wanted", f"python{wanted} -m venv .venv, and install it there")


def check_packages(patient: Patient) -> Iterator[Finding]:
    """What this deployment needs is installed, in versions that fit."""
    from packaging.requirements import Requirement

    extras = ["gcp"] if patient.parts else []
    wrong: list[str] = []
    count = 0
    for text in metadata.requires("threadmill") or ():
        requirement = Requirement(text)
        if requirement.marker and not any(requirement.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            continue
        count += 1
        version = _version(requirement.name)
        if not version or not requirement.specifier.contains(version, prereleases=True):
            wrong.append(f"{requirement} ({version or 'not installed'})")
    extra = f"[{','.join(extras)}]" if extras else ""
    if wrong:
        yield Finding(FAIL, "packages", ", ".join(wrong), f"pip install -e '.{extra}' -c constraints.txt")
    else:
        yield Finding(PASS, "packages", f"all {count} of threadmill{extra} are installed in versions that fit")


def check_memory(patient: Patient) -> Iterator[Finding]:
    """Enough for the warehouse and a worker."""
    pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    gb = pages * size / 1e9
    command = "set THREADMILL_WORKERS=1 and THREADMILL_MEMORY_LIMIT=500MB, or take a larger machine"
    yield _enough("memory", gb, _MEMORY_GB, command)


def check_disk(patient: Patient) -> Iterator[Finding]:
    """Room where datasets go, or for temporary files where they go to a bucket."""
    root = patient.settings.root
    folder = storage.local_path(root) if storage.is_local(root) else "/tmp"
    while not os.path.exists(folder):
        folder = os.path.dirname(folder)
    yield _enough(f"disk at {folder}", shutil.disk_usage(folder).free / 1e9, _DISK_GB, "free some room, or set THREADMILL_ROOT")


def _enough(what: str, gb: float, wanted: float, command: str) -> Finding:
    if gb >= wanted:
        return Finding(PASS, what, f"{gb:,.1f} GB")
    return Finding(FAIL, what, f"{gb:,.1f} GB; {wanted} GB are wanted", command)


def check_root(patient: Patient) -> Iterator[Finding]:
    """A file can be written to the root, read and removed."""
    root = patient.settings.root
    uri = storage.join(root, f".doctor-{uuid.uuid4().hex}")
    try:
        made = storage.make_directory(root)
        storage.write_bytes(uri, b"doctor")
        read = storage.read_bytes(uri)
        storage.remove(uri)
        for folder in made:
            storage.remove_empty_directory(folder)
    except OSError as error:
        yield Finding(
            FAIL, "root", f"{root}: {error.strerror or error}", "make it writable, or set THREADMILL_ROOT to a place that is"
        )
        return
    if read == b"doctor":
        yield Finding(PASS, "root", f"{root} can be written and read")
    else:
        yield Finding(FAIL, "root", f"{root} gives back other bytes than were written", "check the disk")


def check_airflow(_: Patient) -> Iterator[Finding]:
    """Airflow's database answers, and is of this version."""
    if importlib.util.find_spec("airflow") is None:
        yield Finding(SKIP, "Airflow's database", "Airflow is not installed here")
        return
    if not _has_airflow():
        yield Finding(SKIP, "Airflow's database", "no Airflow is set up here: neither AIRFLOW_HOME nor ~/airflow/airflow.db")
        return
    command = [sys.executable, "-m", "airflow", "db", "check-migrations", "--migration-wait-timeout", "0"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_AIRFLOW_SECONDS)
    except subprocess.TimeoutExpired:
        yield Finding(FAIL, "Airflow's database", f"no answer in {_AIRFLOW_SECONDS} seconds", "airflow db check")
        return
    if done.returncode == 0:
        yield Finding(PASS, "Airflow's database", "answers, and is migrated")
    else:
        yield Finding(FAIL, "Airflow's database", "does not answer, or is of another version", "airflow db migrate")


def _has_airflow() -> bool:
    """Whether somebody has made an Airflow here: asking it would otherwise make one."""
    named = ("AIRFLOW_HOME", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN")
    return any(os.environ.get(name) for name in named) or os.path.exists(os.path.expanduser("~/airflow/airflow.db"))


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
