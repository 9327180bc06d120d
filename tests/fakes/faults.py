"""Faults that the fake servers meet on purpose: which call, what happens to it, how often."""

import threading
from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Fault:
    """What is to happen to a call.

    Attributes:
        call: the fake's own name of the call, such as "storage.objects.insert", "bigquery.jobs.insert", "dataflow.jobs.create",
            "tpu.CreateQueuedResource"; the end of a name will do.
        kind: "503", "429", "500", "403", "404", "409": this answer instead of the call; "timeout": no answer for ``seconds``,
            then the connection is closed, the call not done; "lost_response": the call is done, and its answer lost
            (connection closed); or a word that the fake documents, such as "wrong_crc".
        times: so often, then never again.
        skip: calls that pass before the first.
    """

    call: str
    kind: str
    times: int = 1
    skip: int = 0
    seconds: float = 2.0


@dataclass
class Faults:
    """The faults of a fake server, and a count of all its calls. Threads may use it side by side."""

    pending: list[Fault] = field(default_factory=list)
    calls: Counter[str] = field(default_factory=Counter)
    met: Counter[tuple[str, str]] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, call: str, kind: str, *, times: int = 1, skip: int = 0, seconds: float = 2.0) -> None:
        """Plans a fault."""
        with self._lock:
            self.pending.append(Fault(call, kind, times, skip, seconds))

    def clear(self) -> None:
        """Forgets what is planned and counted."""
        with self._lock:
            self.pending.clear()
            self.calls.clear()
            self.met.clear()

    def take(self, call: str) -> Fault | None:
        """Counts a call, and says what is to happen to it; to be asked once a call."""
        with self._lock:
            self.calls[call] += 1
            for fault in self.pending:
                if not call.endswith(fault.call):
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                if fault.times:
                    fault.times -= 1
                    self.met[call, fault.kind] += 1
                    return fault
            return None
