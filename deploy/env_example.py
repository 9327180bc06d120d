"""Renews the settings in docker/env.example from threadmill/settings.py: `python deploy/env_example.py`."""

import textwrap
from collections.abc import Iterator
from pathlib import Path

from threadmill.settings import Settings

EXAMPLE = Path(__file__).parents[1] / "docker" / "env.example"
MARK = "# ---- Threadmill's settings"
# What the containers have where nothing is set, which is not the library's own default.
_IN_CONTAINERS = {"root": "/opt/airflow/data", "cache": ""}
_WIDTH = 128


def settings_lines() -> Iterator[str]:
    """Each setting's description, and its variable with its default, as a comment to be taken away."""
    for name, field in Settings.model_fields.items():
        description = (field.description or "").rstrip(".")
        yield from textwrap.wrap(description + ".", _WIDTH, initial_indent="# ", subsequent_indent="# ")
        default = _IN_CONTAINERS.get(name, field.default)
        yield f"#THREADMILL_{name.upper()}={str(default).lower() if isinstance(default, bool) else default}"


def renewed(text: str) -> str:
    """The example ``text`` with its settings as they are now."""
    head, mark, rest = text.partition(MARK)
    title = rest.partition("\n")[0]
    return "\n".join([f"{head}{mark}{title}", "", *settings_lines(), ""])


if __name__ == "__main__":
    EXAMPLE.write_text(renewed(EXAMPLE.read_text()))
