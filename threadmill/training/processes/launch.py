"""The parent's side of a training process: starts it, shows how far it is, and turns its end into a result or an error."""

import contextlib
import logging
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

from threadmill import errors
from threadmill.datasets.storage import TEMPORARY_PREFIX
from threadmill.errors import PreemptedError, ThreadmillError, WorkerError
from threadmill.training.processes.live import LiveProgress
from threadmill.training.processes.preemption import LEAVING_SIGNALS
from threadmill.training.processes.spec import write_spec
from threadmill.training.runs.status import FINISHED, KILLED, Status, StatusFile, read_status

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
_TAIL_LINES = 20
_LEAVE_SECONDS = 30.0
_NOTICE = re.compile(r"I\d{4} \d\d|WARNING: All log messages before absl")  # TensorFlow tells of its CPU at import


def run_child(module: str, spec: object, folder: str, *, stage: str, unit: str) -> Status:
    """Runs ``python -m MODULE SPEC.json`` to its end; if this is interrupted by an exception, the child is killed.

    A SIGTERM or SIGINT that comes meanwhile is passed on to the child, which has 30 seconds to save a checkpoint. (Signals
    reach the main thread only: where this runs in another, they are its program's to deal with.)

    The child's output is appended to ``folder/STAGE.log``, and its spec is ``folder/STAGE-spec.json``. Its temporary files
    are in ``folder`` too, and removed after it: TensorFlow leaves some where it is killed.

    Args:
        folder: of the child's status.json.
        stage, unit: for the progress lines.

    Returns:
        Its last status.

    Raises:
        ThreadmillError: what the child raised.
        PreemptedError: it was asked to leave, or this process was.
        WorkerError: it ended otherwise: killed, out of memory, or by an error that is not ours.
    """
    spec_path, log_path = os.path.join(folder, f"{stage}-spec.json"), os.path.join(folder, f"{stage}.log")
    write_spec(spec_path, spec)
    StatusFile(folder).update()
    with open(log_path, "ab") as output, _temporary_folder(folder) as temporary:
        begin = output.tell()
        command, environment = [sys.executable, "-m", module, spec_path], {**os.environ, "TMPDIR": temporary}
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment)
        try:
            with _Signals(process) as signals, LiveProgress(stage, unit) as progress:
                _wait(process, folder, progress.show, signals)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    return _outcome(process.returncode, folder, stage, _tail(log_path, begin), asked_to_leave=signals.came)


@contextlib.contextmanager
def _temporary_folder(folder: str) -> Iterator[str]:
    """A folder for temporary files, made anew: a run that was killed with its child may have left it."""
    path = os.path.join(folder, f"{TEMPORARY_PREFIX}files")
    shutil.rmtree(path, ignore_errors=True)
    os.mkdir(path)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


class _Signals:
    """Passes SIGTERM and SIGINT on to a child. Use as a context manager.

    Attributes:
        came: whether there was one.
    """

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self._before: dict[signal.Signals, Any] = {}
        self._deadline = math.inf
        self.came = False

    def __enter__(self) -> "_Signals":
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._pass_on) for number in LEAVING_SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @property
    def overdue(self) -> bool:
        """Whether the child's time to leave is over."""
        return time.monotonic() > self._deadline

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if self.came and number == signal.SIGINT:
            self._process.kill()  # who presses Ctrl-C twice will not wait
        elif not self.came:
            self.came, self._deadline = True, time.monotonic() + _LEAVE_SECONDS
            log.info("asked to leave: the checkpoint is being saved")
            self._process.terminate()


def _wait(process: "subprocess.Popen[bytes]", folder: str, show: Callable[[Status], None], signals: _Signals) -> None:
    while True:
        if signals.overdue:
            process.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)
        status = read_status(folder)
        if status is not None:
            show(status)
        if process.returncode is not None:
            return


def _outcome(code: int, folder: str, stage: str, tail: list[str], *, asked_to_leave: bool) -> Status:
    status = read_status(folder) or Status("starting")
    if code == 0 and status.state == FINISHED:
        return status
    if status.error_kind and code == status.exit_code and code != 1:
        kind = getattr(errors, status.error_kind, ThreadmillError)
        raise kind(status.error)
    if code < 0:
        file = StatusFile(folder)
        file.current = status
        file.update(state=KILLED, exit_code=code)
    if asked_to_leave:
        raise PreemptedError(_left_in_haste(status))
    for line in tail:
        log.error("%s: | %s", stage, line)
    what = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    said = status.error or (tail[-1] if tail else "it wrote nothing")
    raise WorkerError(
        f"{stage}: its process {what} after step {status.step} of {status.steps} ({said}); run it again to go on from "
        f"the last checkpoint, with more memory if that was short; all that it wrote is in {os.path.join(folder, stage)}.log"
    )


def _left_in_haste(status: Status) -> str:
    where = f"from the checkpoint of step {status.checkpoint}" if status.checkpoint else "from where it was before"
    return (
        f"the run was asked to leave after step {status.step} of {status.steps} and was ended before it had saved a checkpoint; "
        f"run the same again to go on {where}"
    )


def _tail(path: str, begin: int) -> list[str]:
    with open(path, "rb") as stream:
        stream.seek(begin)
        lines = stream.read().decode(errors="replace").splitlines()
    return [line for line in lines if line.strip() and not _NOTICE.match(line)][-_TAIL_LINES:]
