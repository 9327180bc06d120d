import logging

import pytest

from operators.console import LOGGING_CONFIG, ConsoleHandler


def test_a_line_is_the_time_and_the_message(capsys: pytest.CaptureFixture[str]) -> None:
    ConsoleHandler().emit(logging.makeLogRecord({"msg": "ingest: read %d lines", "args": (7,), "levelno": logging.INFO}))
    time, message = capsys.readouterr().out.split("  ")
    assert len(time) == len("12:34:56")
    assert message == "ingest: read 7 lines\n"


def test_the_lines_of_the_stages_and_operators_are_shown_once() -> None:
    assert LOGGING_CONFIG["handlers"]["console_lines"] == {"class": "operators.console.ConsoleHandler"}
    for name in ("threadmill", "operators"):
        assert LOGGING_CONFIG["loggers"][name] == {"handlers": ["console_lines"], "level": "INFO", "propagate": False}
