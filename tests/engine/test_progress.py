import io
import logging
import os
import re
import sys

import pytest

from threadmill.engine import progress
from threadmill.engine.progress import Progress


def count_tasks(tasks: int) -> None:
    with Progress("ingest", "lines", tasks) as bar:
        for _ in range(tasks):
            bar.advance(1500)


def test_a_quick_stage_is_silent_in_a_log(caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]) -> None:
    with caplog.at_level(logging.INFO):
        count_tasks(50)
    assert caplog.messages == []
    assert capsys.readouterr() == ("", "")


def test_a_long_stage_gives_plain_lines_in_a_log(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0)
    with caplog.at_level(logging.INFO):
        count_tasks(3)
    first, second = caplog.messages  # the end is told by the stage's own line
    assert re.fullmatch(r"ingest: 1 of 3 tasks, 1,500 lines, [0-9,]+/s", first)
    assert re.fullmatch(r"ingest: 2 of 3 tasks, 3,000 lines, [0-9,]+/s", second)
    assert "\x1b" not in "".join(caplog.messages)


def terminal_output(tasks: int, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a stage of so many tasks draws on a terminal."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    ours, theirs = os.openpty()
    with io.open(theirs, "w", buffering=1) as terminal:  # noqa: UP020
        monkeypatch.setattr(sys, "stderr", terminal)
        count_tasks(tasks)
        terminal.write("END\n")
        terminal.flush()
        drawn = b""
        while b"END" not in drawn:
            drawn += os.read(ours, 1 << 16)
    os.close(ours)
    return drawn.decode()


def test_a_terminal_has_a_bar_with_tasks_and_units(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = terminal_output(3, monkeypatch)
    assert "ingest" in drawn
    assert "3/3" in drawn
    assert "4,500 lines" in drawn


def test_one_task_has_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    assert terminal_output(1, monkeypatch).strip() == "END"
