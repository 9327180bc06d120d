"""Calls of the library from a task: with the connection's credentials, and faults that a retry cannot mend fail at once."""

from collections.abc import Iterator
from contextlib import contextmanager

from airflow.sdk.exceptions import AirflowFailException

from operators.google import cloud_access
from threadmill.errors import (
    BudgetError,
    ConfigError,
    DivergenceError,
    GateError,
    InputError,
    IntegrityError,
    RemoteCancelledError,
)

_PERMANENT = (ConfigError, InputError, IntegrityError, GateError, DivergenceError, RemoteCancelledError, BudgetError)


@contextmanager
def library_calls() -> Iterator[None]:
    """Within the block Google Cloud is called as the connection says; errors that the same call would meet again become
    Airflow's way to fail without retries.
    """
    try:
        with cloud_access():
            yield
    except _PERMANENT as error:
        raise AirflowFailException(str(error)) from None
