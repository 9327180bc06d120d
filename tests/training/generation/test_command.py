"""Replies by pipe, as other programs ask for them."""

import json
import os
import pty
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.training.generation.made import make_model
from threadmill.cli import main

pytestmark = pytest.mark.keras


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "seq2seq"
    make_model(path, "seq2seq")
    return path


class Pipe:
    """Standard input as another process writes it, some bytes at a time."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        reader, self._writer = os.pipe()
        monkeypatch.setattr("sys.stdin", os.fdopen(reader))

    def write(self, *parts: bytes) -> None:
        def work() -> None:
            for part in parts:
                os.write(self._writer, part)
            os.close(self._writer)

        threading.Thread(target=work).start()


def test_each_line_is_answered_in_order(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [f"w{number % 25} w{number % 7}\n".encode() for number in range(40)]
    Pipe(monkeypatch).write(*lines[:30], lines[30][:3], lines[30][3:], *lines[31:-1], lines[-1].rstrip())
    assert main(["generate", str(folder), "--search", "greedy", "--min-length", "2"]) == 0
    together = capsys.readouterr().out.splitlines()

    Pipe(monkeypatch).write(lines[11], b'{"context": ["w0 w0"]}\n')
    assert main(["generate", str(folder), "--search", "greedy", "--min-length", "2"]) == 0

    assert len(together) == 40
    assert capsys.readouterr().out.splitlines() == [together[11], together[0]]
    assert len(set(together)) > 2  # they depend on the lines


def test_replies_are_apart_by_tabs(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    Pipe(monkeypatch).write(b"w1\tw2\n")

    assert main(["generate", str(folder), "--beam-size", "4", "--num-replies", "3"]) == 0

    (line,) = capsys.readouterr().out.splitlines()
    assert len(set(line.split("\t"))) == 3


def test_lines_before_a_wrong_one_are_answered(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Pipe(monkeypatch).write(b"w1\nw2\n\nw3\n")

    assert main(["generate", str(folder)]) == 2

    written = capsys.readouterr()
    assert len(written.out.splitlines()) == 2
    assert written.err == "threadmill: error: line 3 is empty; write a context, or leave the line out\n"


def test_model_that_writes_no_text_is_refused(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("manifest.json", "config.json", "vocab.txt"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    described = (folder / "config.json").read_bytes()
    (tmp_path / "config.json").write_bytes(described.replace(b'"seq2seq"', b'"bert"'))
    (tmp_path / "unfinished").mkdir()

    assert main(["generate", str(tmp_path)]) == 2
    assert "trained for the objective bert, and such a model writes no text" in capsys.readouterr().err
    assert main(["generate", str(tmp_path / "unfinished")]) == 2
    assert str(tmp_path / "unfinished") in capsys.readouterr().err


@pytest.mark.slow
def test_dialogue_in_a_terminal_keeps_its_history(folder: Path, request: pytest.FixtureRequest) -> None:
    command = [sys.executable, "-m", "threadmill.cli", "generate", str(folder), "--search", "greedy", "--min-length", "2"]
    terminal, other_side = pty.openpty()
    process = subprocess.Popen(command, stdin=other_side, stdout=other_side, stderr=other_side)
    request.addfinalizer(process.kill)
    os.close(other_side)

    def said(line: bytes) -> str:
        """What stands between the line and the next prompt."""
        os.write(terminal, line)
        shown = until_prompt(terminal)
        return shown.split("\r\n", 1)[1].rpartition("> ")[0].strip()

    assert "/reset begins a new one" in until_prompt(terminal)
    first, second = said(b"w1 w2\n"), said(b"w9\n")
    assert said(b"/reset\n") == said(b"\n") == ""
    assert "the text has no token" in said("\u200b\n".encode())
    again = said(b"w1 w2\n")
    os.write(terminal, b"\x04")
    assert process.wait(60) == 0
    os.close(terminal)

    lines = f"w1 w2\n{json.dumps({'context': ['w1 w2', first, 'w9']})}\n"
    piped = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    assert [first, second] == piped.stdout.splitlines()
    assert again == first
    assert piped.stderr == ""


def until_prompt(terminal: int) -> str:
    shown = b""
    while not shown.endswith(b"> "):
        shown += os.read(terminal, 1024)
    return shown.decode()
