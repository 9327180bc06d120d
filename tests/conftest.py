"""Settings of all tests."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.fakes.bucket import cloud

__all__ = ["cloud"]  # a fixture for all tests

# No deadline: the first call of a compiled loop may compile it. No database: tests leave nothing behind. Slow is what a
# loaded machine is, not a fault of the test. The same examples each time: a change is not refused for a fault of another.
_HYPOTHESIS = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("threadmill", derandomize=True, **_HYPOTHESIS)
settings.register_profile("new-examples", **_HYPOTHESIS)  # pytest --hypothesis-profile new-examples
settings.load_profile("threadmill")

# Keras has one backend a process.
_BACKEND = os.environ.get("TEST_BACKEND", "tensorflow")
_KERAS_MARK = "pytestmark = pytest.mark.keras"


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Modules that import Keras, which costs seconds, are not even read where their tests are not asked for."""
    if collection_path.suffix == ".py" and _KERAS_MARK in collection_path.read_text():
        if "not keras" in config.getoption("markexpr"):
            return True
        os.environ.update(KERAS_BACKEND=_BACKEND, TF_CPP_MIN_LOG_LEVEL="3")
        os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")  # compiles in a quarter of the time
    return None
