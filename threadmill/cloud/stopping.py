"""What this process waits for elsewhere, and does not leave behind when it is asked to stop."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from threading import Thread

log = logging.getLogger(__name__)

_SECONDS = 4.0  # for all cancellations: Airflow kills a task five seconds after it has asked it to stop
_under_way: dict[object, tuple[Context, str, Callable[[], None]]] = {}


@contextmanager
def cancelled_at_stop(what: str, cancel: Callable[[], None]) -> Iterator[None]:
    """Cancels what is waited for within the block, where this process is asked to stop meanwhile: by KeyboardInterrupt,
    SystemExit, Airflow's time-out of a task, or `cancel_all`.

    Args:
        what: for people.
        cancel: asks for the end of the work, and does not wait for it.
    """
    place = object()
    _under_way[place] = copy_context(), what, cancel  # with the credentials that are in use here
    try:
        yield
    except Exception:
        raise
    except BaseException:
        log.warning("%s is cancelled, since its launcher is asked to stop", what)
        cancel()
        raise
    finally:
        del _under_way[place]


def cancel_all() -> None:
    """Cancels all that this process waits for. For handlers of signals: the calls are made in other threads, since the one
    that was interrupted may hold their locks.
    """
    threads = [
        Thread(target=context.run, args=(_cancel, what, cancel), daemon=True) for context, what, cancel in _under_way.values()
    ]
    for thread in threads:
        thread.start()
    end = time.monotonic() + _SECONDS
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))


def _cancel(what: str, cancel: Callable[[], None]) -> None:
    log.warning("%s is cancelled, since its launcher is asked to stop", what)
    try:
        cancel()
    except Exception:
        log.exception("%s could not be cancelled: see to it", what)
