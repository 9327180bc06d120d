"""Looks after a TPU that was asked for: decides how its attempt ended, deletes it with force at every end, tells of it.

The host's status.json is believed first, the API second, its heartbeat third. An attempt is over when its queued resource is
gone, too: until then that holds quota, and money.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from threadmill.cloud.work import JobRecord, Look
from threadmill.errors import ConfigError
from threadmill.training.remote.attempts import (
    CANCELLED,
    FAILED,
    LOST,
    NO_CAPACITY,
    PREEMPTED,
    AttemptFolder,
    End,
    seconds_since,
)
from threadmill.training.remote.outcomes import end_of_status, note_cancelled, told_outcome
from threadmill.training.remote.tpu_client import DELETING, call, delete, tpu_client

_WAITING = frozenset({"STATE_UNSPECIFIED", "CREATING", "ACCEPTED", "WAITING_FOR_RESOURCES", "PROVISIONING"})
_TAKEN_NODES = frozenset({"PREEMPTED", "TERMINATED"})
_REFUSED = frozenset({3, 5, 7, 9, 16})  # google.rpc.Code: what another try, or zone, cannot mend
_QUEUE_GRACE = 600.0  # seconds that the service may be late to end a request whose time in the queue is over
_DELETE_SECONDS = 900.0  # a deletion that takes longer is not waited for
_GONE = "GONE"


@dataclass(frozen=True)
class Sight:
    """What the service says of a queued resource.

    Attributes:
        state: of the queued resource, `_GONE` where there is none.
        by_user: whether a user brought it into that state.
        error_code, error: of a FAILED one.
        age: seconds since it was created.
        node: the state of its node, `_GONE` where it has none.
    """

    state: str
    by_user: bool = False
    error_code: int = 0
    error: str = ""
    age: float = 0.0
    node: str = _GONE


def look(handle: Mapping[str, Any]) -> Look:
    """Looks once, and deletes the TPU where its attempt has ended; over when it is gone.

    Raises:
        RemoteWorkError: the service or the bucket does not answer.
    """
    folder = AttemptFolder(handle["folder"])
    end = folder.end
    if end is None:
        state, end, line = _judge(handle, folder)
        if end is None:
            new = line if line != handle["told"] else ""
            return Look(False, state, (new,) if new else (), {**handle, "told": line or handle["told"]})
        end = folder.note_end(end)
        told = _line_of_end(end)
    else:
        told = ""
    gone = delete(handle["name"]) or seconds_since(end.time) > _DELETE_SECONDS
    return Look(gone, end.cause if gone else DELETING, (told,) if told else (), handle)


def outcome(handle: Mapping[str, Any]) -> JobRecord:
    """See `threadmill.training.remote.outcomes.told_outcome`."""
    return told_outcome("tpu", handle)


def cancel(handle: Mapping[str, Any]) -> None:
    """Deletes the TPU with force; a later try of the task begins another attempt.

    Raises:
        RemoteWorkError: the service does not answer; the host deletes itself in time, and the janitor finds the rest.
    """
    delete(handle["name"])
    note_cancelled("tpu", handle)


def _judge(handle: Mapping[str, Any], folder: AttemptFolder) -> tuple[str, End | None, str]:
    """The state, how the attempt ended if it did, and what to tell of it."""
    place = handle["place"]
    if status := folder.status:
        return "ENDED", end_of_status(status, place), ""
    sight = _see(handle["name"])
    if sight.state in (_GONE, DELETING) and (status := folder.status):  # it ended, and deleted itself, since we read
        return "ENDED", end_of_status(status, place), ""
    if sight.state != "ACTIVE":
        end = end_of_state(sight, handle["queue_seconds"], place)
        return sight.state, end, f"{sight.state} in {place}"
    heartbeat, since = folder.heartbeat, folder.note_active()
    silent = seconds_since(max(since, heartbeat.time if heartbeat else ""))
    allowed = handle["stale_seconds"] if heartbeat else handle["boot_seconds"]
    end = end_of_node(sight, silent, allowed, place, beaten=heartbeat is not None)
    return sight.state, end, heartbeat.line if heartbeat else f"ACTIVE in {place}, booting"


def end_of_state(sight: Sight, queue_seconds: float, place: str) -> End | None:
    """How an attempt ended whose queued resource is not active; None where it may become so."""
    if sight.state in _WAITING:
        if sight.age <= queue_seconds + _QUEUE_GRACE:
            return None
        return End(NO_CAPACITY, f"{sight.age / 3600:.1f} hours in the queue", place=place)
    if sight.state == "FAILED":
        if sight.error_code in _REFUSED:
            return End(FAILED, f"Cloud TPU refused the request: {sight.error}", ConfigError.__name__, place)
        return End(NO_CAPACITY, sight.error or "the request failed", place=place)
    if sight.state in (_GONE, DELETING) or sight.by_user:
        return End(CANCELLED, "the TPU was deleted or stopped by somebody else", place=place)
    return End(PREEMPTED, f"the TPU was taken away ({sight.state})", place=place)


def end_of_node(sight: Sight, silent: float, allowed: float, place: str, *, beaten: bool) -> End | None:
    """How an attempt ended whose queued resource is active; None where its host is at work.

    Args:
        silent: seconds since its last sign of life, and ``allowed`` those it may be.
        beaten: whether there was a heartbeat.
    """
    if sight.node in _TAKEN_NODES:
        return End(PREEMPTED, f"the TPU's node was taken away ({sight.node})", place=place)
    if silent <= allowed:
        return None
    what = "no heartbeat" if beaten else "the host has not begun"
    return End(LOST, f"{what} for {silent / 60:.0f} minutes (node {sight.node})", place=place)


def _see(name: str) -> Sight:
    from google.api_core.exceptions import NotFound

    what = f"TPU {name.rsplit('/', 1)[1]}"
    with tpu_client() as client:
        try:
            found = call(client.get_queued_resource, what, name=name)
        except NotFound:
            return Sight(_GONE)
        state, error = found.state.state.name, found.state.failed_data.error
        age = seconds_since(found.create_time.isoformat()) if found.create_time else 0.0
        by_user = found.state.state_initiator.name == "USER"
        return Sight(state, by_user, error.code, error.message, age, _node(client, found, what) if state == "ACTIVE" else _GONE)


def _node(client: Any, resource: Any, what: str) -> str:
    from google.api_core.exceptions import NotFound

    spec = resource.tpu.node_spec[0]
    try:
        return str(call(client.get_node, what, name=f"{spec.parent}/nodes/{spec.node_id}").state.name)
    except NotFound:
        return _GONE


def _line_of_end(end: End) -> str:
    return f"{end.cause} in {end.place}" + (f": {end.message}" if end.message else "")
