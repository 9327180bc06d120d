"""Remote work that is under way: what is waited for, how it ended, and how it is cancelled, for all services alike.

A stage's run yields `Waiting` while a service is at work. The shell waits with `wait`; an operator defers to a trigger, which
looks with `look`. Both then `settle` it, and go on: what is done is found by its name.
"""

import logging
import time
from collections.abc import Generator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Protocol, TypeVar, cast

from threadmill.cloud.extra import extra_module
from threadmill.cloud.stopping import cancelled_at_stop
from threadmill.datasets import storage
from threadmill.datasets.digest import canonical_json
from threadmill.errors import RemoteWorkError, ThreadmillError
from threadmill.settings import get_settings

log = logging.getLogger(__name__)
T = TypeVar("T")

MOST_FAULTS = 30  # looks that fail one after the other before the wait is given up: ten minutes
JOBS = ".jobs"  # the folder, in an output's, of what is known of the jobs that work for it

# The module of each kind of work. It has the functions of `Service`.
_SERVICES = {
    "bigquery": "threadmill.warehouse.bigquery.service",
    "dataflow": "threadmill.engine.dataflow.service",
    "tpu": "threadmill.training.remote.tpu_service",
    "vertex": "threadmill.training.remote.vertex_service",
}


@dataclass(frozen=True)
class Waiting:
    """Remote work that is under way.

    Attributes:
        kind: the service: bigquery, dataflow, tpu, vertex.
        handle: what the service's functions need to find it again: JSON, no credentials.
        what: for people, such as "Dataflow job threadmill-...".
        url: its page in the cloud console, "" for none.
        output: URI of the dataset that it works for.
        seconds: between two looks.
        beside: handles of other work of the service that is under way for the same output, and is cancelled with it.
    """

    kind: str
    handle: Mapping[str, Any]
    what: str
    output: str
    url: str = ""
    seconds: float = 20.0
    beside: Sequence[Mapping[str, Any]] = field(default_factory=list)

    @property
    def pause(self) -> float:
        """Seconds to the next look: the service's, or fewer where the settings say so."""
        return min(self.seconds, get_settings().poll_seconds)

    def to_json(self) -> dict[str, Any]:
        """JSON, for a trigger."""
        return {**asdict(self), "handle": dict(self.handle), "beside": [dict(handle) for handle in self.beside]}


@dataclass(frozen=True)
class Look:
    """What a look at remote work told.

    Attributes:
        over: there is nothing left to wait for: it has ended, well or not, or it is gone.
        state: the service's own word.
        lines: what its log said since the look before, for the task's log.
        handle: what to look with the next time, where that changes, such as the place in its log.
    """

    over: bool
    state: str
    lines: tuple[str, ...] = ()
    handle: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class JobRecord:
    """What is known of a remote job that has ended, for the manifest and for the costs.

    Attributes:
        kind, id: the service, and its own id of the job.
        state: the service's word for how it ended.
        started, ended: times in ISO 8601 (UTC), "" where unknown.
        measures: what it used, by the service's names and units in the name: bytes_billed, vcpu_hours, memory_gb_hours,
            tpu_hours, ...; and its counters.
    """

    kind: str
    id: str
    state: str
    started: str = ""
    ended: str = ""
    measures: Mapping[str, float | str] = field(default_factory=dict)


class Service(Protocol):
    """The functions of a service's module, each by a handle alone, with the credentials of the process."""

    def look(self, handle: Mapping[str, Any]) -> Look:
        """Looks once, without waiting. Faults of the service that pass are for the caller to look again: RemoteWorkError."""

    def outcome(self, handle: Mapping[str, Any]) -> JobRecord:
        """What came of work that is over.

        Raises:
            RemoteWorkError: it failed; the same call can succeed later.
            RemoteCancelledError: somebody cancelled it.
            InputError, ConfigError: it failed of what a retry cannot mend. Each has a ``record`` where it is known what the job
                used.
        """

    def cancel(self, handle: Mapping[str, Any]) -> None:
        """Asks for its end, and deletes what would cost money on; none is no error."""


def service(kind: str) -> Service:
    """The functions of a service.

    Raises:
        ConfigError: the packages of it are not installed.
    """
    return cast(Service, extra_module(_SERVICES[kind], kind))


def settle(waiting: Waiting) -> JobRecord:
    """Notes how work that is over ended, well or not, beside its output; raises as `Service.outcome`."""
    try:
        record = service(waiting.kind).outcome(waiting.handle)
    except ThreadmillError as error:
        if error.record is not None:  # what failed has cost money, too
            write_record(waiting.output, error.record)
        raise
    write_record(waiting.output, record)
    return record


def write_record(output: str, record: JobRecord) -> None:
    """Writes what is known of a job beside the dataset at ``output``, for its manifest and the costs."""
    storage.make_directory(storage.join(output, JOBS))
    storage.write_bytes(record_uri(output, record.kind, record.id), canonical_json(asdict(record)))


def record_uri(output: str, kind: str, job_id: str) -> str:
    """Where the record of a job that works for ``output`` is, or will be."""
    return storage.join(output, JOBS, f"{kind}-{job_id}.json")


def wait(waiting: Waiting) -> None:
    """Waits until the work is over and settles it; cancels it where this process is asked to stop meanwhile."""
    functions, handle = service(waiting.kind), waiting.handle
    log.info("waiting for %s %s", waiting.what, waiting.url)
    with cancelled_at_stop(waiting.what, lambda: cancel(replace(waiting, handle=handle))):
        while True:
            found = _patient_look(functions, handle, waiting.pause)
            for line in found.lines:
                log.info("%s: %s", waiting.kind, line)
            if found.over:
                break
            handle = found.handle or handle
            time.sleep(waiting.pause)
    settle(waiting)


def finish(steps: Generator[Waiting, None, T]) -> T:
    """Goes through steps of which some are remote work, and waits for each; returns their result."""
    while True:
        try:
            wait(next(steps))
        except StopIteration as end:
            return cast(T, end.value)


def cancel(waiting: Waiting) -> None:
    """Asks for the end of the work, and of what is under way beside it; one that cannot be asked keeps none from it."""
    functions, errors = service(waiting.kind), []
    for handle in (waiting.handle, *waiting.beside):
        try:
            functions.cancel(handle)
        except ThreadmillError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _patient_look(functions: Service, handle: Mapping[str, Any], seconds: float) -> Look:
    for _ in range(MOST_FAULTS):
        try:
            return functions.look(handle)
        except RemoteWorkError as error:
            log.warning("%s; looking again", error)
            time.sleep(seconds)
    return functions.look(handle)
