"""Commands killed at random moments, with all their processes, and run again: what is left is what an undisturbed run leaves."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.airflow_home import REPOSITORY
from threadmill.corpora.sample import write_sample
from threadmill.datasets.dataset import verify
from threadmill.datasets.manifest import MANIFEST_NAME, read_manifest

KILLS = 20

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [str(path) for path in write_sample(str(tmp_path_factory.mktemp("dumps")), comments=60_000, months=2)]


def commands(dumps: Sequence[str], folder: Path) -> list[list[str]]:
    """From dumps to conversations without duplicates, by every road."""
    staged, fused = str(folder / "staged"), str(folder / "fused")
    settings = ["--month", "2006-02", "--num-shards-train", "8"]
    conversations, signatures = f"{staged}/conversations", f"{folder}/signatures"
    return [
        ["reddit", *dumps, "--output", staged, "--keep-stages", *settings],
        ["reddit", *dumps, "--output", fused, *settings],
        ["deduplicate", conversations, "--signatures", signatures, "--output", f"{folder}/deduplicated"],
    ]


def start(command: Sequence[str]) -> "subprocess.Popen[bytes]":
    arguments = [sys.executable, "-m", "threadmill.cli", "--quiet", *command]
    return subprocess.Popen(arguments, cwd=REPOSITORY, start_new_session=True, stdout=subprocess.DEVNULL)


def run(command: Sequence[str]) -> float:
    """Runs to the end; returns the seconds that took."""
    began = time.monotonic()
    assert start(command).wait() == 0
    return time.monotonic() - began


def killed(command: Sequence[str], after: float) -> bool:
    """Kills the command after so many seconds; False where it had ended before."""
    process = start(command)
    try:
        assert process.wait(after) == 0
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def digests(folder: Path) -> dict[str, str]:
    """Of all datasets below; each is whole, and nothing else lies about."""
    found = {str(path.parent.relative_to(folder)): str(path.parent) for path in folder.rglob(MANIFEST_NAME)}
    for uri in found.values():
        assert verify(uri) == []
    assert not [path for path in folder.rglob(".*") if path.name != ".lock"], "no receipt and no temporary file"
    return {name: read_manifest(uri).digest for name, uri in found.items()}


def test_twenty_kills_at_random_moments_change_nothing(dumps: list[str], tmp_path: Path) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    seconds = [run(command) for command in commands(dumps, undisturbed)]
    draw, kills = random.Random(4), 0
    for command, length in zip(commands(dumps, disturbed), seconds, strict=True):
        wanted = kills + (KILLS + 2) // 3
        while kills < wanted:
            if killed(command, draw.uniform(0.1, 1.0) * length):
                kills += 1
            elif kills < wanted:  # it was done too early: once more from the beginning
                shutil.rmtree(command[command.index("--output") + 1])
        run(command)
    assert kills >= KILLS
    assert digests(disturbed) == digests(undisturbed)
    assert set(digests(disturbed)) == {
        *(f"staged/{name}" for name in ("comments", "threads", "conversations")),
        *("fused/conversations", "signatures", "deduplicated"),
    }
