"""Takes one operator through its tries, deferrals and resumptions as Airflow does; its launcher may be killed in between."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException, TaskDeferred
from airflow.triggers.base import TriggerEvent


class LauncherKilledError(Exception):
    """Stands for SIGKILL: nothing of the try is left but what is remote."""


@dataclass(frozen=True)
class Outcome:
    """How a task ended: "green" or "failed", after how many tries, with which message."""

    state: str
    tries: int
    error: str = ""


def drive(make: Callable[[], BaseOperator], context: Context, *, tries: int = 4, kill_after_submit: bool = False) -> Outcome:
    """Runs a task as Airflow would.

    Args:
        make: the operator, anew for each try, as each is a process of its own.
        kill_after_submit: the launcher of the first try is killed as soon as it has deferred, and no trigger runs.
    """
    error = ""
    for number in range(1, tries + 1):
        try:
            _one_try(make(), context, killed=kill_after_submit and number == 1)
        except AirflowFailException as failure:
            return Outcome("failed", number, str(failure))
        except Exception as failure:
            error = f"{type(failure).__name__}: {failure}"
        else:
            return Outcome("green", number)
    return Outcome("failed", tries, error)


def _one_try(operator: BaseOperator, context: Context, *, killed: bool) -> Any:
    call: Callable[[], Any] = lambda: operator.execute(context)  # noqa: E731
    while True:
        try:
            return call()
        except TaskDeferred as deferral:
            if killed:
                raise LauncherKilledError(str(deferral)) from None
            event = asyncio.run(_first_event(deferral.trigger))
            call = _resumption(operator, deferral.method_name, context, event)


def _resumption(operator: BaseOperator, method: str, context: Context, event: Any) -> Callable[[], Any]:
    return lambda: getattr(operator, method)(context, event)


async def _first_event(trigger: Any) -> Any:
    async for event in trigger.run():
        assert isinstance(event, TriggerEvent)
        return event.payload
    raise AssertionError("the trigger ended without an event")
