"""status.json: how far a run is, rewritten about once a second, so that anything can watch it from outside."""

import os
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import orjson

from threadmill.datasets import storage

STATUS_NAME = "status.json"
FINISHED, FAILED, KILLED = "finished", "failed", "killed"


@dataclass(frozen=True)
class Status:
    """The content of status.json.

    Attributes:
        state: "starting", what it is doing ("training", "evaluating", "exporting"), or how it ended: "finished",
            "failed" (by an error) or "killed" (by a signal).
        step, steps: done, and in all.
        resumed_from: the step of the checkpoint that this run went on from; 0 if it began at the beginning.
        loss: of the last step.
        sequences_per_second: over the last seconds.
        time: of this status, ISO 8601, UTC.
        exit_code: of the process, once it has ended; negative for a signal.
        error: the message, where it failed; ``error_kind`` is the exception's class.
    """

    state: str
    step: int = 0
    steps: int = 0
    resumed_from: int = 0
    loss: float | None = None
    sequences_per_second: float | None = None
    time: str = ""
    exit_code: int | None = None
    error: str = ""
    error_kind: str = ""


class StatusFile:
    """The status of one run, kept in ``folder``."""

    def __init__(self, folder: str) -> None:
        self._path = os.path.join(folder, STATUS_NAME)
        self.current = Status("starting")

    def update(self, **changes: Any) -> None:
        """Changes some fields and writes the file."""
        self.current = replace(self.current, **changes, time=datetime.now(UTC).isoformat(timespec="seconds"))
        # Not synced to the disk, unlike a dataset's files: it is out of date in a second, and a busy disk would stop the run.
        with storage.atomic_path(self._path) as temporary, open(temporary, "wb") as stream:
            stream.write(orjson.dumps(asdict(self.current), option=orjson.OPT_APPEND_NEWLINE))


def read_status(folder: str) -> Status | None:
    """The status in ``folder``, or None where there is none yet."""
    try:
        return Status(**orjson.loads(storage.read_bytes(os.path.join(folder, STATUS_NAME))))
    except FileNotFoundError:
        return None
