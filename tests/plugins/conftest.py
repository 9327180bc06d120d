"""Airflow makes a home where it is imported: not in the developer's."""

import tests.airflow_home  # noqa: F401
