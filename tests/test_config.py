from dataclasses import FrozenInstanceError, asdict, dataclass
from typing import Any

import pytest

from threadmill.config import Setting, check_settings, pick_settings, setting, settings_of
from threadmill.datasets.digest import config_json, json_digest
from threadmill.errors import ConfigError


@dataclass(frozen=True)
class Brew:
    """A config with a setting of each type, and a field that is none."""

    cups: int = setting(4, "Cups at most", minimum=1, maximum=12)
    strength: float = setting(0.5, "How strong", minimum=0, maximum=1)
    bean: str = setting("arabica", "What is ground", choices=("arabica", "robusta"))
    milk: bool = setting(False, "White")
    note: str = setting("", "Free text")
    scale: float = setting(1.0, "Any number")
    machine: str = "of no meaning to the user"

    def __post_init__(self) -> None:
        check_settings(self)


def test_settings_are_told_in_order_with_default_help_and_limits() -> None:
    assert [entry.name for entry in settings_of(Brew)] == ["cups", "strength", "bean", "milk", "note", "scale"]
    assert settings_of(Brew)[0] == Setting("cups", 4, "Cups at most", 1, 12)
    assert settings_of(Brew)[2].choices == ("arabica", "robusta")


def test_an_instance_tells_its_values_as_defaults() -> None:
    assert {entry.name: entry.default for entry in settings_of(Brew(cups=7))}["cups"] == 7


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cups": 0}, "cups is 0; it must be from 1 to 12"),
        ({"cups": 13}, "cups is 13; it must be from 1 to 12"),
        ({"cups": 2.0}, "cups is 2.0; it must be a whole number"),
        ({"cups": "2"}, "cups is '2'; it must be a whole number"),
        ({"cups": True}, "cups is True; it must be a whole number"),
        ({"cups": None}, "cups is None; it must be a whole number"),
        ({"strength": -0.1}, "strength is -0.1; it must be from 0 to 1"),
        ({"strength": float("nan")}, "strength is nan; it must be a number"),
        ({"strength": False}, "strength is False; it must be a number"),
        ({"scale": float("inf")}, "scale is inf; it must be a number"),
        ({"bean": "oat"}, "bean is 'oat'; use one of arabica, robusta"),
        ({"bean": 3}, "bean is 3; it must be text"),
        ({"milk": 1}, "milk is 1; it must be true or false"),
        ({"note": None}, "note is None; it must be text"),
    ],
    ids=str,
)
def test_a_value_of_no_use_is_told_with_the_remedy(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        Brew(**changed)
    assert str(raised.value) == message


def test_limits_are_inclusive() -> None:
    assert Brew(cups=1, strength=1.0) == Brew(cups=1, strength=1)
    assert Brew(cups=12, strength=0.0).cups == 12


@pytest.mark.parametrize(("low", "high", "message"), [(1, None, "1 or more"), (None, 5, "at most 5"), (0.5, 5, "from 0.5 to 5")])
def test_one_sided_limits_are_told(low: float | None, high: float | None, message: str) -> None:
    entry = Setting("x", 2.0, "", low, high)
    with pytest.raises(ConfigError, match=f"x is -?99; it must be {message}"):
        entry.check(-99 if low else 99)
    entry.check(3)


def test_a_whole_number_for_a_float_gives_the_same_digest() -> None:
    assert json_digest(config_json(Brew(strength=1, scale=3))) == json_digest(config_json(Brew(strength=1.0, scale=3.0)))
    with pytest.raises(FrozenInstanceError):
        Brew().strength = 1  # type: ignore[misc]


def test_settings_are_picked_from_what_was_given() -> None:
    given = {"cups": 3, "milk": False, "strength": None, "machine": "drip", "tea": 1}
    assert pick_settings(Brew, given) == {"cups": 3, "milk": False}


def test_every_field_is_part_of_the_digest() -> None:
    assert set(config_json(Brew())) == set(asdict(Brew()))
