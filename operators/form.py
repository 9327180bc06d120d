"""The trigger form: typed params with descriptions, limits and sections, made from the stages' settings."""

from collections.abc import Mapping, Sequence
from typing import Any

from airflow.sdk import Param

from threadmill.config import Setting, settings_of

_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string"}


def settings_named(config: Any, names: Sequence[str]) -> list[Setting]:
    """The settings of a config by their names, in that order."""
    found = {setting.name: setting for setting in settings_of(config)}
    return [found[name] for name in names]


def setting_params(section: str, settings: Sequence[Setting], names: Mapping[str, str] | None = None) -> dict[str, Param]:
    """A param for each setting, by its name in the form where ``names`` tells another."""
    forms = {setting.name: (names or {}).get(setting.name, setting.name) for setting in settings}
    return {forms[setting.name]: _param(setting, forms[setting.name], section) for setting in settings}


def optional_params(
    section: str, settings: Sequence[Setting], defaults: Mapping[str, str], names: Mapping[str, str] | None = None
) -> dict[str, Param]:
    """As `setting_params`, but each may be left empty: ``defaults`` says, by the setting's name, what then holds."""
    forms = {setting.name: (names or {}).get(setting.name, setting.name) for setting in settings}
    return {
        forms[setting.name]: _param(setting, forms[setting.name], section, empty=defaults[setting.name]) for setting in settings
    }


def _param(setting: Setting, name: str, section: str, *, empty: str = "") -> Param:
    kind = _TYPES[type(setting.default)]
    schema: dict[str, Any] = {"type": ["null", kind] if empty else kind, "title": name, "section": section}
    if setting.minimum is not None:
        schema["minimum"] = setting.minimum
    if setting.maximum is not None:
        schema["maximum"] = setting.maximum
    if setting.choices:
        schema["enum"] = [*setting.choices, None] if empty else list(setting.choices)
    help = f"{setting.help} ({empty})" if empty else setting.help
    return Param(None if empty else setting.default, description=help, **schema)
