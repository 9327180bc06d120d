"""Airflow makes a home where it is imported: not in the developer's."""

import os
import tempfile

if "AIRFLOW_HOME" not in os.environ:
    _home = tempfile.TemporaryDirectory(prefix="threadmill-airflow-")  # removed when the tests end
    os.environ["AIRFLOW_HOME"] = _home.name
