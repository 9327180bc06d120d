import argparse
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conversation_datasets import made_examples, write_conversations
from threadmill import __version__
from threadmill.cli import build_parser, main

HEAVY = (
    "airflow",
    "duckdb",
    "keras",
    "matplotlib",
    "numba",
    "numpy",
    "polars",
    "pyarrow",
    "pydantic",
    "tensorflow",
    "tokenizers",
)
CLI = [sys.executable, "-m", "threadmill.cli"]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the shell prints before it exits with 0."""
    with pytest.raises(SystemExit) as exit:
        main(arguments)
    assert exit.value.code == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    return output


def commands(parser: argparse.ArgumentParser) -> list[list[str]]:
    """The words of each command that does something, such as ["verify"]."""
    groups = [action.choices for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return [[name, *rest] for group in groups for name, below in group.items() for rest in commands(below)] or [[]]


def complaint(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """The one line on standard error of a call that ends with status 2."""
    assert main(arguments) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    (line,) = errors.splitlines()
    assert line.startswith("threadmill: error: ")
    return line.removeprefix("threadmill: error: ")


def test_the_commands_of_the_contract_are_there() -> None:
    assert {"reddit", "sample", "verify", "show", "ingest", "threads", "conversations"} <= {
        words[0] for words in commands(build_parser())
    }


@pytest.mark.parametrize("command", commands(build_parser()), ids=" ".join)
def test_help_ends_with_an_example_that_the_shell_takes(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    text = shown(capsys, *command, "--help")
    example = text.rpartition("example:\n  ")[2].partition(" < ")[0]  # the rest is for the shell around it
    program, *arguments = shlex.split(example)
    assert program == "threadmill"
    assert arguments[: len(command)] == command
    assert build_parser().parse_args(arguments).run


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown(capsys, "--version") == f"threadmill {__version__}\n"


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom threadmill.cli import main\n"
        "try:\n    main(['reddit', '--help'])\nexcept SystemExit:\n    pass\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND; see `threadmill --help`"),
        (["reddit"], "the following arguments are required: SOURCE, --output; see `threadmill reddit --help`"),
        (["fly"], "argument COMMAND: invalid choice: 'fly'"),
        (["verify", "a", "b"], "unrecognized arguments: b; see `threadmill --help`"),
        (["reddit", "x", "--output", "y", "--parent-depth", "ten"], "argument --parent-depth: invalid int value: 'ten'"),
        (["reddit", "x", "--output", "y", "--format", "csv"], "argument --format: invalid choice: 'csv'"),
        (["reddit", "x", "--output", "y", "--workers", "0"], "--workers is 0; it must be a whole number from 1"),
        (["reddit", "x", "--output", "y", "--workers", "all"], "--workers is all; it must be a whole number from 1"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_wrong_arguments_are_told_in_a_line(capsys: pytest.CaptureFixture[str], arguments: list[str], message: str) -> None:
    assert complaint(capsys, *arguments).startswith(message)


def test_errors_of_the_system_are_a_line_too(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "dump").write_bytes(b"{}\n")
    message = complaint(capsys, "ingest", str(tmp_path / "dump"), "--output", str(tmp_path / "file" / "comments"))
    assert message == f"{tmp_path}/file/comments: Not a directory; check that it is there, writable and has room"


def test_a_reader_that_has_seen_enough_is_no_error(tmp_path: Path) -> None:
    uri = write_conversations(tmp_path / "talk", {"train": [made_examples(300)]})
    command = f"{shlex.join([*CLI, 'show', uri, '--records', '1000'])} | head -n 1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "conversations: conversations (version 1)\n"


def test_the_process_ends_with_the_status_and_without_a_traceback(tmp_path: Path) -> None:
    done = subprocess.run([*CLI, "verify", str(tmp_path / "nowhere")], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"threadmill: error: {tmp_path}/nowhere does not exist; run the stage that writes it")


def test_text_that_the_terminal_has_no_letters_for_is_printed_with_escapes(tmp_path: Path) -> None:
    (tmp_path / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nم\nم\n", encoding="utf-8")
    words = ["vocab", "check", str(tmp_path), "--json"]
    code = "import sys; from threadmill.cli import run; sys.argv = ['threadmill', *sys.argv[1:]]; run()"
    ran = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, check=False
    )
    assert (ran.returncode, ran.stderr) == (1, b"")
    assert rb"such as '\u0645'" in ran.stdout
