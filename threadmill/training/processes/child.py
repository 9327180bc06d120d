"""The child's side of a training process: it dies with its parent, and says how it ended in status.json."""

import ctypes
import logging
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable

from threadmill.errors import PreemptedError, ThreadmillError
from threadmill.training.processes.preemption import Preemption
from threadmill.training.runs.status import FAILED, FINISHED, PREEMPTED, StatusFile

_PR_SET_PDEATHSIG = 1
_WATCH_SECONDS = 0.5

# Before TensorFlow is imported: its own kernels log at import, and oneDNN's are 1.5 times as fast for BERT on a CPU. With
# op determinism they give equal bytes on one kind of machine.
_ENVIRONMENT = {"TF_CPP_MIN_LOG_LEVEL": "3", "TF_ENABLE_ONEDNN_OPTS": "1"}

# For JAX, whose sums over a GPU's threads come in any order otherwise: a resumed run would not have the same losses.
_DETERMINISTIC = "--xla_gpu_deterministic_ops=true"


def run(
    folder: str,
    parent: int,
    work: Callable[[StatusFile], None],
    backend: str = "tensorflow",
    preemption: Preemption | None = None,
) -> int:
    """Does ``work`` as the main thing of this process.

    Args:
        folder: of status.json.
        parent: the process to die with; 0 for none.
        backend: the library that Keras computes with.
        preemption: what ``work`` asks whether it is to leave; without one, it ends where a signal comes.

    Returns:
        The exit code: 0, 2 for an error that a user can act on, 75 where it was asked to leave, 1 for any other error.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    logging.getLogger("threadmill").setLevel(logging.INFO)
    if parent:
        _die_with(parent)
    os.environ.update(_ENVIRONMENT, KERAS_BACKEND=backend)
    if backend == "jax":
        os.environ["XLA_FLAGS"] = f"{_DETERMINISTIC} {os.environ.get('XLA_FLAGS', '')}".rstrip()  # of two, the last holds
    status = StatusFile(folder)
    (preemption or Preemption()).listen(status)
    with status.beating():
        return _do(work, status)


def _do(work: Callable[[StatusFile], None], status: StatusFile) -> int:
    try:
        work(status)
    except ThreadmillError as error:
        logging.getLogger(__name__).error("%s", error)
        state = PREEMPTED if isinstance(error, PreemptedError) else FAILED
        status.update(state=state, exit_code=error.exit_code, error=str(error), error_kind=type(error).__name__)
        return error.exit_code
    except OSError as error:  # a full disk, a folder that cannot be written
        traceback.print_exc()
        place = error.filename or "a file"
        message = f"{place}: {error.strerror or error}; check that it is there, writable and has room, then run the same again"
        status.update(state=FAILED, exit_code=ThreadmillError.exit_code, error=message, error_kind=ThreadmillError.__name__)
        return ThreadmillError.exit_code
    except Exception as error:
        traceback.print_exc()
        status.update(state=FAILED, exit_code=1, error=_one_line(error), error_kind=type(error).__name__)
        return 1
    status.update(state=FINISHED, exit_code=0)
    return 0


def _one_line(error: Exception) -> str:
    return f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0]}"


def _die_with(parent: int) -> None:
    """On Linux the kernel kills this process at the moment its parent dies; elsewhere a thread looks every half second.

    To the kernel the parent is the thread that started this process, in which `launch.run_child` waits.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    else:
        threading.Thread(target=_watch, args=(parent,), daemon=True).start()
    if os.getppid() != parent:  # it died before that
        os._exit(1)


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)
