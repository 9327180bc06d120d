"""The parent's side of a training process: starts it, shows how far it is, and turns its end into a result or an error."""

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

from threadmill import errors
from threadmill.datasets.storage import TEMPORARY_PREFIX
from threadmill.errors import ThreadmillError, WorkerError
from threadmill.training.processes.live import LiveProgress
from threadmill.training.processes.spec import write_spec
from threadmill.training.runs.status import FINISHED, KILLED, Status, StatusFile, read_status

log = logging.getLogger(__name__)

_POLL_SECONDS = 0.2
_TAIL_LINES = 20


def run_child(module: str, spec: object, folder: str, *, stage: str, unit: str) -> Status:
    """Runs ``python -m MODULE SPEC.json`` to its end; if this is interrupted by an exception, the child is killed.

    The child's output is appended to ``folder/STAGE.log``, and its spec is ``folder/STAGE-spec.json``. Its temporary files
    are in ``folder`` too, and removed after it: TensorFlow leaves some where it is killed.

    Args:
        folder: of the child's status.json.
        stage, unit: for the progress lines.

    Returns:
        Its last status.

    Raises:
        ThreadmillError: what the child raised.
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
            with LiveProgress(stage, unit) as progress:
                _wait(process, folder, progress.show)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
    return _outcome(process.returncode, folder, stage, _tail(log_path, begin))


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


def _wait(process: "subprocess.Popen[bytes]", folder: str, show: Callable[[Status], None]) -> None:
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_POLL_SECONDS)
        status = read_status(folder)
        if status is not None:
            show(status)
        if process.returncode is not None:
            return


def _outcome(code: int, folder: str, stage: str, tail: list[str]) -> Status:
    status = read_status(folder) or Status("starting")
    if code == 0 and status.state == FINISHED:
        return status
    if code == 2 and status.error_kind:
        kind = getattr(errors, status.error_kind, ThreadmillError)
        raise kind(status.error)
    if code < 0:
        file = StatusFile(folder)
        file.current = status
        file.update(state=KILLED, exit_code=code)
    for line in tail:
        log.error("%s: | %s", stage, line)
    what = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
    said = status.error or (tail[-1] if tail else "it wrote nothing")
    raise WorkerError(
        f"{stage}: its process {what} after step {status.step} of {status.steps} ({said}); run it again to go on from "
        f"the last checkpoint, with more memory if that was short; all that it wrote is in {os.path.join(folder, stage)}.log"
    )


def _tail(path: str, begin: int) -> list[str]:
    with open(path, "rb") as stream:
        stream.seek(begin)
        lines = stream.read().decode(errors="replace").splitlines()
    return [line for line in lines if line.strip()][-_TAIL_LINES:]
