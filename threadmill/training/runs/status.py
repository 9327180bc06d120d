"""status.json: how far a run is, rewritten about once a second, so that anything can watch it from outside."""

import contextlib
import logging
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from threadmill.datasets import storage

log = logging.getLogger(__name__)

STATUS_NAME = "status.json"
STARTING = "starting"
TRAINING = "training"  # the state in which a signal waits for a checkpoint
FINISHED, FAILED, KILLED, PREEMPTED = "finished", "failed", "killed", "preempted"

_BEAT_SECONDS = 10.0


@dataclass(frozen=True)
class Status:
    """The content of status.json.

    Attributes:
        state: "starting", what it is doing ("training", "evaluating", "ranking", "exporting"), or how it ended: "finished",
            "failed" (by an error), "killed" (by a signal) or "preempted" (asked to leave, with its checkpoint saved).
        step, steps: done, and in all.
        resumed_from: the step of the checkpoint that this run went on from; 0 if it began at the beginning.
        checkpoint: the step of the newest one; 0 where there is none.
        loss: of the last step.
        examples_per_second: sequences, over the last seconds.
        seconds_left: until the last step, at that rate.
        model_flops_utilisation: the share of the devices' peak FLOP/s that the model's own operations take, 0 to 1.
        time: of the last news of this status, ISO 8601, UTC.
        heartbeat: as ``time``, and brought up to date every 10 seconds while the process lives, whatever it is at.
        exit_code: of the process, once it has ended; negative for a signal.
        error: the message, where it failed; ``error_kind`` is the exception's class.
    """

    state: str
    step: int = 0
    steps: int = 0
    resumed_from: int = 0
    checkpoint: int = 0
    loss: float | None = None
    examples_per_second: float | None = None
    seconds_left: float | None = None
    model_flops_utilisation: float | None = None
    time: str = ""
    heartbeat: str = ""
    exit_code: int | None = None
    error: str = ""
    error_kind: str = ""


class StatusFile:
    """The status of one run, kept in ``folder``; any thread may change it."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, STATUS_NAME)
        self._copy = ""
        self._lock = threading.Lock()
        self.current = Status(STARTING)

    def update(self, **changes: Any) -> None:
        """Changes some fields and writes the file."""
        now = _now()
        self._write(time=now, heartbeat=now, **changes)

    def copy_to(self, folder: str) -> None:
        """From now on each heartbeat leaves a copy in ``folder``, a bucket's for example."""
        self._copy = storage.join(folder, STATUS_NAME)

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Within the block the heartbeat goes on; its end is the last beat."""
        ended = threading.Event()

        def beat() -> None:
            while not ended.wait(_BEAT_SECONDS):
                self._write(heartbeat=_now())
                self.publish()

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            self.publish()

    def publish(self) -> None:
        """Writes the copy. A place out of reach is no reason to stop a run; the next checkpoint would be.

        None while the run is starting: Keras draws its layers' seeds from Python's own random numbers, and so do clients of a
        store, for an upload's boundary; a thread that took one between would give the model other weights.
        """
        if not self._copy or self.current.state == STARTING:
            return
        try:
            storage.write_bytes(self._copy, _encode(self.current))
        except Exception as error:  # each client of a store has its own
            log.warning("%s is not up to date (%s: %s)", self._copy, type(error).__name__, error)

    def _write(self, **changes: Any) -> None:
        with self._lock:
            self.current = replace(self.current, **changes)
            # Not synced to the disk, unlike a dataset's files: it is out of date in a second, and a busy disk would stop
            # the run.
            with storage.atomic_path(self._path) as temporary, open(temporary, "wb") as stream:
                stream.write(_encode(self.current))


def read_status(folder: str) -> Status | None:
    """The status in ``folder``, or None where there is none yet; what another version noted besides is left out."""
    try:
        noted = orjson.loads(storage.read_bytes(storage.join(folder, STATUS_NAME)))
    except FileNotFoundError:
        return None
    return Status(**{field.name: noted[field.name] for field in fields(Status) if field.name in noted})


def _encode(status: Status) -> bytes:
    return orjson.dumps(asdict(status), option=orjson.OPT_APPEND_NEWLINE)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
