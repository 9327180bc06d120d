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

KILLS = int(os.environ.get("THREADMILL_TEST_KILLS") or 8)  # of each road
DATA = REPOSITORY.parent / "shared" / "data"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dumps(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    return [str(path) for path in write_sample(str(tmp_path_factory.mktemp("dumps")), comments=60_000, months=2)]


def conversation_commands(dumps: Sequence[str], folder: Path) -> list[list[str]]:
    """From dumps to conversations without duplicates, by every road."""
    staged, fused = str(folder / "staged"), str(folder / "fused")
    settings = ["--month", "2006-02", "--num-shards-train", "8"]
    conversations, signatures = f"{staged}/conversations", f"{folder}/signatures"
    return [
        ["reddit", *dumps, "--output", staged, "--keep-stages", *settings],
        ["reddit", *dumps, "--output", fused, *settings],
        ["deduplicate", conversations, "--signatures", signatures, "--output", f"{folder}/deduplicated"],
    ]


def pretraining_commands(source: str, folder: Path) -> list[list[str]]:
    """From text to a corpus, vocabularies and the records of every objective."""
    corpus = f"{folder}/corpus"
    wordpiece, bytelevel = f"{folder}/wordpiece", f"{folder}/bytelevel"
    records = [
        *(["records", corpus, "--vocab", wordpiece, "--objective", name, "--num-shards", "6"] for name in ("bert", "seq2seq")),
        *(["records", corpus, "--vocab", bytelevel, "--objective", name, "--num-shards", "6"] for name in ("roberta", "causal")),
    ]
    return [
        ["corpus", source, "--shard-lines", "2000", "--output", corpus],
        ["vocab", "train", corpus, "--size", "2000", "--output", wordpiece],
        ["vocab", "train", corpus, "--kind", "bytelevel-bpe", "--size", "2000", "--output", bytelevel],
        *([*command, "--max-seq-length", "64", "--output", f"{folder}/{command[5]}"] for command in records),
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


def check_kills(undisturbed: Sequence[list[str]], disturbed: Sequence[list[str]]) -> None:
    """Runs the first commands, and the second, which do the same elsewhere, with kills at random moments."""
    seconds = [run(command) for command in undisturbed]
    draw, kills, each = random.Random(4), 0, -(-KILLS // len(disturbed))
    for command, length in zip(disturbed, seconds, strict=True):
        wanted = kills + each
        while kills < wanted:
            if killed(command, draw.uniform(0.1, 1.0) * length):
                kills += 1
            elif kills < wanted:  # it was done too early: once more from the beginning
                shutil.rmtree(command[command.index("--output") + 1])
        run(command)
    assert kills >= KILLS


def test_twenty_kills_on_the_way_to_conversations_change_nothing(dumps: list[str], tmp_path: Path) -> None:
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    check_kills(conversation_commands(dumps, undisturbed), conversation_commands(dumps, disturbed))
    assert digests(disturbed) == digests(undisturbed)
    assert set(digests(disturbed)) == {
        *(f"staged/{name}" for name in ("comments", "threads", "conversations")),
        *("fused/conversations", "signatures", "deduplicated"),
    }


SOURCES = {"novels": DATA / "text", "tweets": DATA / "arabic" / "ar_lines.txt", "reviews": DATA / "amazon"}


@pytest.mark.parametrize("name", SOURCES)
def test_twenty_kills_on_the_way_to_records_change_nothing(name: str, dumps: list[str], tmp_path: Path) -> None:
    source = SOURCES[name]
    if not source.exists():
        pytest.skip("the real data is not here")
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    check_kills(pretraining_commands(str(source), undisturbed), pretraining_commands(str(source), disturbed))
    assert digests(disturbed) == digests(undisturbed)
    assert len(digests(disturbed)) == 7


def test_twenty_kills_on_the_way_from_conversations_to_records_change_nothing(dumps: list[str], tmp_path: Path) -> None:
    conversations = str(tmp_path / "conversations")
    run(["reddit", *dumps, "--output", str(tmp_path)])
    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"

    def commands(folder: Path) -> list[list[str]]:
        return [
            [conversations if part == f"{folder}/corpus" else part for part in command]
            for command in pretraining_commands("", folder)[1:]
        ]

    check_kills(commands(undisturbed), commands(disturbed))
    assert digests(disturbed) == digests(undisturbed)
    assert len(digests(disturbed)) == 6
