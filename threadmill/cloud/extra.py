"""Modules that need the packages of the extra `gcp`, imported when they are used."""

import importlib
from typing import Any

from threadmill.errors import ConfigError


def extra_module(module: str, what: str) -> Any:
    """A module of ours, of which the caller knows the functions.

    Args:
        what: needs it, for people.

    Raises:
        ConfigError: a package that it imports is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        # The public index has another project's `threadmill`, so none is to be installed by that name.
        raise ConfigError(
            f"{what} needs {error.name}, which is not installed: install this project with its extra gcp (in the checkout, "
            "pip install -e '.[gcp]' -c constraints.txt; else its wheel)"
        ) from error
