"""SIGTERM and SIGINT as the machine's request to leave: the loop saves a checkpoint; where there is none to save, at once."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from threadmill.errors import PreemptedError
from threadmill.training.runs.status import PREEMPTED, TRAINING, StatusFile

LEAVING_SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextlib.contextmanager
def leaving_at_sigterm() -> Iterator[None]:
    """For the parent of a training process: within the block a SIGTERM, too, that comes before or after its child's time is a
    `PreemptedError`, so that all ends with that exit code, and in order.
    """
    before = signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _raise(_number: int, _frame: FrameType | None) -> None:
    raise PreemptedError("asked to leave; nothing is lost, run the same again to go on")


class Preemption:
    """Whether this process has been asked to leave.

    While the state is "training", and once `asked` has been called, a signal is noted for the next call, which is to save
    and to leave. Before (a model's compilation takes minutes) and after (all is saved), nothing would be saved that is not
    so already: a signal ends the process at once, whatever it is at, with the exit code of `PreemptedError`.
    """

    def __init__(self) -> None:
        self._asked = False
        self._watched = False

    def asked(self) -> bool:
        """True once a signal has come."""
        self._watched = True
        return self._asked

    def listen(self, status: StatusFile) -> None:
        """Takes the signals of this process from now on. To be called in the main thread."""
        reading, writing = os.pipe()
        os.set_blocking(writing, False)
        # Python's own handlers wait until the main thread is back from a compiler; this pipe is written to at once.
        signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
        for number in LEAVING_SIGNALS:
            signal.signal(number, _do_nothing)
        threading.Thread(target=self._watch, args=(reading, status), daemon=True).start()

    def _watch(self, reading: int, status: StatusFile) -> None:
        while number := os.read(reading, 1)[0]:
            if number not in LEAVING_SIGNALS:
                continue
            self._asked = True
            if not (self._watched and status.current.state == TRAINING):
                _leave(status)


def _leave(status: StatusFile) -> None:
    step = status.current.checkpoint
    where = f"the checkpoint of step {step}" if step else "where it was before"  # it may not have read its checkpoint yet
    message = f"the run was asked to leave while it was {status.current.state}; run the same again to go on from {where}"
    status.update(state=PREEMPTED, exit_code=PreemptedError.exit_code, error=message, error_kind=PreemptedError.__name__)
    status.publish()
    os._exit(PreemptedError.exit_code)


def _do_nothing(_number: int, _frame: FrameType | None) -> None:
    """A handler has to be there for the pipe to be written to."""
