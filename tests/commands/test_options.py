import argparse
from dataclasses import dataclass
from typing import Any

import pytest

from threadmill.commands.options import add_command, add_memory_limit, add_output, add_settings, given_settings, memory_limit
from threadmill.config import setting
from threadmill.errors import ConfigError


@dataclass(frozen=True)
class Brew:
    """A config."""

    max_cups: int = setting(4, "Cups at most: 100% of what fits")
    strength: float = setting(0.5, "How strong")
    bean: str = setting("arabica", "What is ground", choices=("arabica", "robusta"))
    milk: bool = setting(True, "White")
    month: str = setting("", "When")


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    parsers = argparse.ArgumentParser(prog="mill").add_subparsers()
    command = add_command(parsers, "brew", "coffee from beans", "mill brew --output /cup", lambda arguments: 0)
    add_settings(command, Brew)
    return command


def given(parser: argparse.ArgumentParser, *arguments: str) -> dict[str, Any]:
    return given_settings(Brew, parser.parse_args(arguments))


def test_what_is_not_given_is_left_to_the_preset(parser: argparse.ArgumentParser) -> None:
    assert given(parser) == {}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--max-cups", "7"], {"max_cups": 7}),
        (["--max-cups", "-7"], {"max_cups": -7}),
        (["--strength", "1e-3"], {"strength": 0.001}),
        (["--bean", "robusta"], {"bean": "robusta"}),
        (["--milk"], {"milk": True}),
        (["--no-milk"], {"milk": False}),
        (["--month", ""], {"month": ""}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_flag_gives_a_value_of_the_setting_s_type(
    parser: argparse.ArgumentParser, arguments: list[str], expected: dict[str, Any]
) -> None:
    assert given(parser, *arguments) == expected


def test_help_tells_meaning_default_and_example(parser: argparse.ArgumentParser) -> None:
    text = parser.format_help()
    assert "Coffee from beans." in text
    assert "cups at most: 100% of what fits (default: 4)" in text
    assert "what is ground (default: arabica)" in text
    assert "white (default: yes)" in text
    assert [line.split() for line in text.splitlines() if line.startswith("  --month")] == [["--month", "MONTH", "when"]]
    assert "--bean {arabica,robusta}" in text
    assert text.endswith("example:\n  mill brew --output /cup\n")


def test_settings_can_be_left_out() -> None:
    parser = argparse.ArgumentParser()
    add_settings(parser, Brew, without=("milk", "month"))
    assert set(vars(parser.parse_args([]))) == {"max_cups", "strength", "bean"}


def test_defaults_shown_are_those_of_the_config_given() -> None:
    parser = argparse.ArgumentParser()
    add_settings(parser, Brew(max_cups=9, milk=False), title="settings of the brew")
    text = parser.format_help()
    assert "settings of the brew:" in text
    assert "(default: 9)" in text
    assert "white (default: no)" in text


def test_only_stages_that_read_datasets_can_be_told_to_take_partial_ones() -> None:
    parser = argparse.ArgumentParser()
    add_output(parser, refuses_partial=False)
    assert "--allow-partial" not in parser.format_help()


@pytest.mark.parametrize("count", ["0", "-2", "1.5", "all", ""])
def test_workers_are_a_whole_number_from_1(count: str) -> None:
    parser = argparse.ArgumentParser()
    add_output(parser)
    assert parser.parse_args(["--output", "x", "--workers", "2"]).workers == 2
    with pytest.raises(ConfigError, match=f"--workers is {count}; it must be a whole number from 1"):
        parser.parse_args(["--output", "x", "--workers", count])


def test_the_memory_limit_is_the_one_given_or_the_deployment_s(monkeypatch: pytest.MonkeyPatch) -> None:
    from threadmill.settings import get_settings

    parser = argparse.ArgumentParser()
    add_memory_limit(parser)
    assert memory_limit(parser.parse_args(["--memory-limit", "300MB"])) == "300MB"
    monkeypatch.setenv("THREADMILL_MEMORY_LIMIT", "7GB")
    get_settings.cache_clear()
    assert memory_limit(parser.parse_args([])) == "7GB"
    get_settings.cache_clear()
