"""A quiet console for `airflow dags test`: our lines, one or two a task, and warnings; Airflow's own steps are left out.

Used by `make demo`, with AIRFLOW__LOGGING__LOGGING_LEVEL=WARNING and
AIRFLOW__LOGGING__LOGGING_CONFIG_CLASS=operators.console.LOGGING_CONFIG.
"""

import logging
import sys
from copy import deepcopy

from airflow.config_templates.airflow_local_settings import DEFAULT_LOGGING_CONFIG


class ConsoleHandler(logging.StreamHandler):  # type: ignore[type-arg]
    """Prints the time and the message. Airflow strips formatters from the config, so it brings its own."""

    def __init__(self) -> None:
        super().__init__(sys.stdout)
        self.setFormatter(logging.Formatter("%(asctime)s  %(message)s", "%H:%M:%S"))


def _logging_config() -> dict[str, object]:
    config = deepcopy(DEFAULT_LOGGING_CONFIG)
    config["handlers"]["console_lines"] = {"class": "operators.console.ConsoleHandler"}
    for name in ("threadmill", "operators"):
        config["loggers"][name] = {"handlers": ["console_lines"], "level": "INFO", "propagate": False}
    config["loggers"]["threadmill.datasets.gate"] = {"level": "WARNING"}  # its table is shown where a check fails
    config["loggers"]["airflow.sdk.definitions.dag"] = {"level": "ERROR"}  # each second, the tasks that a failed one holds up
    return config


LOGGING_CONFIG = _logging_config()
