"""Gives this test process an Airflow home of its own. To be imported before Airflow is, by the conftest.py of tests that need it.

Each worker of pytest-xdist is a process, and so has its own.
"""

import os
import tempfile
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
DAGS = REPOSITORY / "dags"

_home = tempfile.TemporaryDirectory(prefix="threadmill-airflow-")  # removed when the process ends

os.environ.update(
    AIRFLOW_HOME=_home.name,
    AIRFLOW__CORE__DAGS_FOLDER=str(DAGS),
    AIRFLOW__CORE__PLUGINS_FOLDER=str(REPOSITORY / "plugins"),
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__LOGGING__LOGGING_LEVEL="WARNING",
)
