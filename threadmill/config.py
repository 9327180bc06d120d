"""Settings of a stage, declared once: their default, meaning and limits serve the shell, the trigger form and the checks."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from threadmill.errors import ConfigError

_KEY = "threadmill"
_TYPE_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text"}


@dataclass(frozen=True)
class Setting:
    """What is known of one field of a config.

    Attributes:
        name, default: of the field; the default's type is the setting's type.
        help: what it means, in a sentence without a full stop.
        minimum, maximum: limits of a number, inclusive; None for none.
        choices: the values allowed; empty for any.
    """

    name: str
    default: Any
    help: str
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()

    def check(self, value: Any) -> None:
        """Raises ConfigError where ``value`` is of another type or outside the limits."""
        kind = type(self.default)
        if kind in _TYPE_NAMES and not _is_a(value, kind):
            raise ConfigError(f"{self.name} is {value!r}; it must be {_TYPE_NAMES[kind]}")
        if self.choices and value not in self.choices:
            raise ConfigError(f"{self.name} is {value!r}; use one of {', '.join(filter(None, self.choices))}")
        low = self.minimum is not None and value < self.minimum
        high = self.maximum is not None and value > self.maximum
        if low or high:
            raise ConfigError(f"{self.name} is {value}; it must be {self._limits()}")

    def _limits(self) -> str:
        if self.maximum is None:
            return f"{self.minimum:.16g} or more"
        return f"at most {self.maximum:.16g}" if self.minimum is None else f"from {self.minimum:.16g} to {self.maximum:.16g}"


def _is_a(value: Any, kind: type) -> bool:
    if isinstance(value, bool) or kind is bool:
        return isinstance(value, bool) and kind is bool
    if kind is float:
        return isinstance(value, int | float) and math.isfinite(value)
    return isinstance(value, kind)


def setting(
    default: Any,
    help: str,
    *,
    minimum: float | None = None,
    maximum: float | None = None,
    choices: Sequence[str] = (),
) -> Any:
    """A field of a config dataclass, with what `Setting` says of it."""
    details = {"help": help, "minimum": minimum, "maximum": maximum, "choices": tuple(choices)}
    return field(default=default, metadata={_KEY: details})


def settings_of(config: Any) -> list[Setting]:
    """The declared settings of a config class or instance, in order, with the class's or the instance's values as defaults."""
    return [
        Setting(entry.name, entry.default if isinstance(config, type) else getattr(config, entry.name), **entry.metadata[_KEY])
        for entry in fields(config)
        if _KEY in entry.metadata
    ]


def check_settings(config: Any) -> None:
    """Checks a config of a frozen dataclass, for its ``__post_init__``; 1 becomes 1.0 where a float is wanted: one digest.

    Raises:
        ConfigError: for the first setting of another type or outside its limits.
    """
    for entry in settings_of(type(config)):
        value = getattr(config, entry.name)
        entry.check(value)
        if isinstance(entry.default, float):
            object.__setattr__(config, entry.name, float(value))


def pick_settings(config: Any, values: Mapping[str, Any]) -> dict[str, Any]:
    """Those of ``values`` that are settings of ``config`` and not None."""
    names = {entry.name for entry in settings_of(config)}
    return {name: value for name, value in values.items() if name in names and value is not None}
