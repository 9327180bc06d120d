"""Waiting for remote work in Airflow's triggerer, so that no worker is held: an operator that defers, and its trigger."""

import asyncio
from abc import abstractmethod
from collections.abc import AsyncIterator, Generator, Mapping
from contextlib import closing, nullcontext, suppress
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator
from airflow.triggers.base import BaseTrigger, TriggerEvent

from operators.google import cloud_access, is_remote
from operators.library import library_calls
from threadmill.cloud.credentials import Access, access_in_use, use_access
from threadmill.cloud.identity import RunIdentity
from threadmill.cloud.stopping import cancel_all
from threadmill.cloud.work import MOST_FAULTS, Look, Waiting, cancel, service, settle
from threadmill.engine.site import Site, local_site, settings_site
from threadmill.errors import RemoteCancelledError, RemoteWorkError, ThreadmillError
from threadmill.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context


class RemoteWorkTrigger(BaseTrigger):
    """Looks at remote work until it is over; copies what its log says to the task's; cancels it where a user ends the task.

    Its event is {"waiting": as it was given, "fault": why the looks were given up, "" where the work is over}.

    Args:
        waiting: a `Waiting` as JSON.
    """

    def __init__(self, waiting: Mapping[str, Any]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.waiting = dict(waiting)
        self._handle: Mapping[str, Any] = self.waiting["handle"]

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """The class and its arguments: JSON, and no credentials."""
        return "operators.remote_work.RemoteWorkTrigger", {"waiting": self.waiting}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Yields one event."""
        self.log.info("waiting for %s %s", self.waiting["what"], self.waiting["url"])
        faults = 0
        while True:
            try:
                found = await asyncio.to_thread(self._look)
            except Exception as error:  # one that came out of here would be told as "Trigger failure", without its message
                faults += 1
                self.log.warning("%s; looking again", error)
                if faults > MOST_FAULTS:
                    yield self._event(str(error))
                    return
            else:
                faults = 0
                for line in found.lines:
                    self.log.info("%s: %s", self.waiting["kind"], line)
                if found.over:
                    yield self._event()
                    return
                self._handle = found.handle or self._handle
            await asyncio.sleep(Waiting(**self.waiting).pause)

    async def on_kill(self) -> None:
        """Cancels the work: the user has cleared the task, or marked it."""
        await asyncio.to_thread(self._cancel)
        self.log.info("cancelled %s", self.waiting["what"])

    def _event(self, fault: str = "") -> TriggerEvent:
        return TriggerEvent({"waiting": self.waiting, "fault": fault})  # type: ignore[no-untyped-call]

    def _look(self) -> Look:
        with cloud_access():  # in this thread: a connection is asked for, which must not block the loop
            return service(self.waiting["kind"]).look(self._handle)

    def _cancel(self) -> None:
        with cloud_access():
            cancel(Waiting(**{**self.waiting, "handle": self._handle}))


class RemoteWorkOperator(BaseOperator):
    """Does steps of which some are remote work: defers while a service is at work, then goes through all of them again.

    A subclass yields the work that is under way; what is done, and what was started before, is found by its name, whether
    this is the first try, a retry, or the same try after a deferral.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._waiting: Waiting | None = None
        self._access: Access | None = None
        self._is_killed = False

    @abstractmethod
    def steps(self, context: "Context") -> Generator[Waiting, None, Any]:
        """Yields remote work that is under way; returns the task's result."""

    def execute(self, context: "Context") -> Any:
        """Goes through the steps."""
        with library_calls(), closing(self.steps(context)) as steps:
            self._access = access_in_use()
            try:
                self._waiting = next(steps)
            except StopIteration as end:
                return end.value
            except RemoteCancelledError as error:
                if self._is_killed:  # with its worker, maybe, which a retry survives; what a user has ended is not tried again
                    raise RemoteWorkError(str(error)) from error
                raise
            if self._is_killed:  # while it was being started: Airflow only asks, and the call went on to its end
                cancel(self._waiting)
                raise RemoteWorkError(f"{self._waiting.what} is cancelled, since its task was ended")
        self._defer(self._waiting)

    def resume(self, context: "Context", event: Mapping[str, Any]) -> Any:
        """Goes on after a deferral.

        Raises:
            RemoteWorkError: the work failed; a retry does what is missing.
            AirflowFailException: it was cancelled, or failed of what no retry mends.
        """
        waiting = Waiting(**event["waiting"])
        if event["fault"]:
            raise RemoteWorkError(f"{waiting.what} could not be looked at: {event['fault']}; a retry finds it again")
        with library_calls():
            settle(waiting)
        return self.execute(context)

    def on_kill(self) -> None:
        """Cancels what this process waits for itself, and what was just started, where the task ends before it is deferred.

        Runs in a signal's handler: Airflow may be asked nothing, since it may be the one that was interrupted.
        """
        self._is_killed = True
        cancel_all()
        if self._waiting is not None:
            with use_access(self._access) if self._access else nullcontext(), suppress(ThreadmillError):
                cancel(self._waiting)

    def _defer(self, waiting: Waiting) -> None:
        trigger = RemoteWorkTrigger(waiting.to_json())
        self.defer(trigger=trigger, method_name="resume", timeout=self.execution_timeout)


def run_site(context: "Context") -> Site:
    """Where the settings send the work of this task, in its name."""
    if not is_remote():
        return local_site(get_settings().workers or None)
    ti, root = context["ti"], get_settings().root.rstrip("/")
    return settings_site(RunIdentity(ti.dag_id, ti.run_id, ti.task_id, ti.map_index if ti.map_index is not None else -1, root))
