"""The program of an accelerator's host: ``python -m threadmill.training.remote.host SPEC_URI``.

Does the stage of a `HostSpec` here, to the output's bucket; beats each minute; leaves a receipt a task, then its last word in
status.json, then its log; and deletes its own TPU. Run again, after a reboot, it goes on from the last checkpoint.
"""

import logging
import os
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from threadmill.cloud.package import build_id
from threadmill.datasets import storage
from threadmill.engine.local import run_task
from threadmill.engine.receipts import mark_unfinished, write_receipt
from threadmill.errors import ConfigError, PreemptedError, ThreadmillError
from threadmill.training.outputs import working_folder
from threadmill.training.processes.preemption import leaving_at_sigterm
from threadmill.training.remote.attempts import AttemptFolder, Heartbeat, HostStatus, now
from threadmill.training.remote.outcomes import TIMED_OUT
from threadmill.training.remote.spec import HostSpec, read_spec
from threadmill.training.runs.status import Status, read_status

log = logging.getLogger(__name__)

DEADLINE = "THREADMILL_DEADLINE"  # seconds since the epoch, at which the start-up script ends the work
HOST_LOG = "THREADMILL_HOST_LOG"  # the file that the output of this process goes to
_BOOT_SECONDS = 900.0  # by which a service that ends the work itself (Vertex AI) may have begun to count before this process
_TAIL_LINES = 20
_NO_STATUS = Status("starting")


def main(arguments: list[str]) -> int:
    """Does the work of the spec at the URI ``arguments[0]``; returns the exit code, which status.json tells, too."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", stream=sys.stderr)
    spec = read_spec(arguments[0])
    folder = AttemptFolder(spec.folder)
    status = folder.status
    if status is None:
        status = _do(spec, folder)
        folder.note_status(status)
        _upload_log(folder)
    else:
        log.info("the work has ended before, with exit code %d", status.exit_code)
    _delete_tpu(spec)
    return status.exit_code


def _do(spec: HostSpec, folder: AttemptFolder) -> HostStatus:
    deadline = _deadline(spec)
    try:
        with leaving_at_sigterm(), _beating(spec, folder):
            _work(spec)
    except PreemptedError as error:
        if time.time() >= deadline:
            hours = spec.max_seconds / 3600
            told = f"the time of {hours:g} hours is over ({error}); raise THREADMILL_TPU_MAX_HOURS"
            return _failed(spec, TIMED_OUT, told, "")
        return _failed(spec, error.exit_code, str(error), type(error).__name__)
    except ThreadmillError as error:
        log.error("%s", error)
        return _failed(spec, error.exit_code, str(error), type(error).__name__)
    except Exception as error:
        traceback.print_exc()
        told = (str(error).strip() or "no message").splitlines()[0]
        return _failed(spec, 1, f"{type(error).__name__}: {told}", type(error).__name__)
    return HostStatus(0, spec.attempt)


def _work(spec: HostSpec) -> None:
    if spec.build_id != build_id():
        raise ConfigError(
            f"the host's threadmill is of build {build_id()}, and the one that sent the work of {spec.build_id}; install the same"
        )
    stage = spec.make_stage()
    mark_unfinished(spec.output)
    for task in stage.plan().tasks:
        write_receipt(spec.output, spec.key, run_task(stage, task, spec.output))


def _failed(spec: HostSpec, code: int, error: str, kind: str) -> HostStatus:
    return HostStatus(code, spec.attempt, error, kind, tuple(_log_lines()[-_TAIL_LINES:]))


def _deadline(spec: HostSpec) -> float:
    """From when on a request to leave means that the time is over, in seconds since the epoch."""
    told = os.environ.get(DEADLINE)
    if told:
        return float(told) - 1
    return time.time() + spec.max_seconds - min(_BOOT_SECONDS, spec.max_seconds / 10)


@contextmanager
def _beating(spec: HostSpec, folder: AttemptFolder) -> Iterator[None]:
    """Within the block, a heartbeat each ``spec.heartbeat_seconds``, the first at once."""
    ended = threading.Event()
    workspace = working_folder(spec.output)

    def beat() -> None:
        while True:
            status = read_status(workspace) or _NO_STATUS
            try:
                rate = status.examples_per_second
                folder.beat(Heartbeat(now(), spec.attempt, status.state, status.step, status.steps, status.loss, rate))
            except Exception as error:  # the bucket is out of reach: the next beat, or the next checkpoint, tells
                log.warning("no heartbeat (%s: %s)", type(error).__name__, error)
            if ended.wait(spec.heartbeat_seconds):
                return

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _upload_log(folder: AttemptFolder) -> None:
    with suppress(Exception):  # its tail is in status.json
        storage.write_bytes(folder.log_uri, "\n".join([*_log_lines(), ""]).encode())


def _log_lines() -> list[str]:
    path = os.environ.get(HOST_LOG, "")
    if not path or not os.path.exists(path):
        return []
    with open(path, "rb") as stream:
        return stream.read().decode(errors="replace").splitlines()


def _delete_tpu(spec: HostSpec) -> None:
    if not spec.tpu:
        return
    from threadmill.training.remote.tpu_client import delete

    try:
        delete(spec.tpu)
    except ThreadmillError as error:  # the start-up script asks again, and whoever waits for this does, too
        log.warning("the TPU is not deleted: %s", error)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
