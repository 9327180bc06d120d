"""Gives each test the logging of a fresh process."""

import logging

import pytest


@pytest.fixture(autouse=True)
def fresh_logging(monkeypatch: pytest.MonkeyPatch) -> None:
    """Airflow, once a test in this process has imported it, sends every log line to standard output."""
    root = logging.getLogger()
    monkeypatch.setattr(root, "handlers", [handler for handler in root.handlers if type(handler).__module__ == "_pytest.logging"])
    monkeypatch.setattr(root, "level", logging.WARNING)
