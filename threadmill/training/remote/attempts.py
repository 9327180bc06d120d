"""The attempts of one run to get its work done on an accelerator, and what each leaves in the output's folder.

``OUTPUT/.remote/NAME/N/`` holds, of attempt N: ``spec.json`` (what the host is to do), ``active.json`` (since when it can),
``heartbeat.json`` (the host's, each minute), ``status.json`` (the host's last word), ``end.json`` (how it ended, decided once, by
whoever looked first), ``told.json`` (that this was told to the run), ``doubt.json`` (that it ended well without a result) and
``host.log``. All is found by its name, from anywhere.
"""

import dataclasses
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec

from threadmill.datasets import storage
from threadmill.datasets.digest import canonical_json

REMOTE = ".remote"

FINISHED = "finished"
PREEMPTED = "preempted"  # the accelerator was taken away
LOST = "lost"  # its host does not answer, or never did
NO_CAPACITY = "no_capacity"  # there is none in that place now
FAILED = "failed"
CANCELLED = "cancelled"
AGAIN = (PREEMPTED, LOST)  # another attempt goes on from the last checkpoint


@dataclass(frozen=True)
class Heartbeat:
    """The content of heartbeat.json: how far the host is; as `threadmill.training.runs.status.Status`."""

    time: str
    attempt: int
    state: str = ""
    step: int = 0
    steps: int = 0
    loss: float | None = None
    examples_per_second: float | None = None

    @property
    def line(self) -> str:
        """For a log."""
        step = [f"step {self.step:,} of {self.steps:,}"] if self.step else []
        loss = [] if self.loss is None else [f"loss {self.loss:.3f}"]
        rate = [] if self.examples_per_second is None else [f"{self.examples_per_second:,.0f} sequences/s"]
        return ", ".join([f"attempt {self.attempt}: {self.state}", *step, *loss, *rate])


@dataclass(frozen=True)
class HostStatus:
    """The content of status.json.

    Attributes:
        exit_code: 0, or that of the error; 75 where the host was asked to leave, 124 where its time was over.
        error: the message, and ``error_kind`` the exception's class; both "" where the host did not come to tell.
        tail: the last lines of its log.
    """

    exit_code: int
    attempt: int
    error: str = ""
    error_kind: str = ""
    tail: tuple[str, ...] = ()


@dataclass(frozen=True)
class End:
    """The content of end.json.

    Attributes:
        cause: one of those above.
        message: for people, "" for none; ``error_kind`` the class of the host's error, "" for none.
        place: the zone or region.
        time: ISO 8601, UTC.
        exit_code: of the host, None where it did not tell.
    """

    cause: str
    message: str = ""
    error_kind: str = ""
    place: str = ""
    time: str = ""
    exit_code: int | None = None


_Kind = TypeVar("_Kind")


@dataclass(frozen=True)
class AttemptFolder:
    """The files of one attempt."""

    uri: str

    @property
    def spec_uri(self) -> str:
        """Of spec.json."""
        return self._uri("spec.json")

    @property
    def status_uri(self) -> str:
        """Of status.json."""
        return self._uri("status.json")

    @property
    def log_uri(self) -> str:
        """Of the host's log."""
        return self._uri("host.log")

    @property
    def heartbeat(self) -> Heartbeat | None:
        """The newest heartbeat."""
        return self._read("heartbeat.json", Heartbeat)

    @property
    def status(self) -> HostStatus | None:
        """The host's last word."""
        return self._read("status.json", HostStatus)

    @property
    def end(self) -> End | None:
        """How it ended; None as long as it has not."""
        return self._read("end.json", End)

    @property
    def is_over(self) -> bool:
        """Whether the host has said its last word, or the end is decided."""
        return self.end is not None or self.status is not None

    @property
    def told(self) -> bool:
        """Whether its end was told to the run."""
        return storage.exists(self._uri("told.json"))

    @property
    def active_since(self) -> str:
        """When it was first seen at work, or able to; "" if never."""
        noted = self._read("active.json", dict)
        return str(noted["time"]) if noted else ""

    def make(self) -> None:
        """Makes the folder, where folders are made."""
        storage.make_directory(self.uri)

    def beat(self, heartbeat: Heartbeat) -> None:
        """Writes a heartbeat."""
        storage.write_bytes(self._uri("heartbeat.json"), canonical_json(asdict(heartbeat)))

    def note_status(self, status: HostStatus) -> bool:
        """Writes the last word, once: False if it was said before."""
        return self._write_once("status.json", asdict(status))

    def note_end(self, end: End) -> End:
        """Decides how the attempt ended; returns what was decided, by whoever came first."""
        self._write_once("end.json", asdict(dataclasses.replace(end, time=end.time or now())))
        return self.end or end

    def note_told(self) -> None:
        """Notes that the end was told."""
        self._write_once("told.json", {"time": now()})

    def note_doubt(self) -> bool:
        """Notes that it is said to have ended well, and left no result; False if that was noted before."""
        return self._write_once("doubt.json", {"time": now(), "by": uuid.uuid4().hex})

    def note_active(self) -> str:
        """Notes that it is at work; returns since when."""
        if not (since := self.active_since):
            self._write_once("active.json", {"time": now()})
            since = self.active_since
        return since

    def _uri(self, name: str) -> str:
        return storage.join(self.uri, name)

    def _read(self, name: str, kind: type[_Kind]) -> _Kind | None:
        try:
            return msgspec.json.decode(storage.read_bytes(self._uri(name)), type=kind)
        except FileNotFoundError:
            return None

    def _write_once(self, name: str, value: dict[str, Any]) -> bool:
        return _create(self._uri(name), canonical_json(value))


@dataclass(frozen=True)
class Attempts:
    """The attempts of a run.

    Args:
        output: URI of its dataset.
        name: of the run's remote work, from its identity and key.
    """

    output: str
    name: str

    @property
    def uri(self) -> str:
        """The folder of all of them."""
        return storage.join(self.output, REMOTE, self.name)

    def folder(self, number: int) -> AttemptFolder:
        """Of attempt ``number``."""
        return AttemptFolder(storage.join(self.uri, str(number)))

    @property
    def is_one_under_way(self) -> bool:
        """Whether an attempt was begun whose end was not told yet."""
        return storage.exists(self.folder(len(self.ends()) + 1).spec_uri)

    def ends(self) -> list[End]:
        """Of the attempts that are over and told, in order."""
        ends: list[End] = []
        while True:
            folder = self.folder(len(ends) + 1)
            end = folder.end
            if end is None or not folder.told:
                return ends
            ends.append(end)


def next_place(ends: Sequence[End], places: Sequence[str]) -> int:
    """The index of the place to try after ``ends``: each in order where there was no capacity, else the first again."""
    tried = 0
    for end in reversed(ends):
        if end.cause != NO_CAPACITY:
            break
        tried += 1
    return tried % len(places)


def now() -> str:
    """ISO 8601, UTC."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def seconds_since(time: str) -> float:
    """Seconds from a time in ISO 8601 until now."""
    return (datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds()


def _create(uri: str, content: bytes) -> bool:
    """Writes a file unless it is there; False if it is."""
    if storage.is_cloud(uri):
        from threadmill.datasets.cloud_streams import put

        return put(uri, content, 0) is not None
    if storage.exists(uri):
        return False
    storage.write_bytes(uri, content)
    return True
