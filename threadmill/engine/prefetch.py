"""Runs a generator in a thread of its own, a few items ahead of its consumer."""

import queue
import threading
from collections.abc import Generator, Iterable, Iterator
from typing import Any, TypeVar

Item = TypeVar("Item")

_END = object()


def prefetch(items: Iterable[Item], depth: int = 2) -> Iterator[Item]:
    """The items in order, up to ``depth`` made ahead: overlaps work that releases the interpreter lock.

    An error of the generator is raised where the item would have come. A consumer that stops early stops the thread.
    """
    ready: queue.Queue[Any] = queue.Queue(depth)
    stopped = threading.Event()
    thread = threading.Thread(target=_produce, args=(items, ready, stopped), daemon=True)
    thread.start()
    try:
        while (entry := ready.get()) is not _END:
            if isinstance(entry, _Failure):
                raise entry.error
            yield entry
    finally:
        stopped.set()
        while thread.is_alive():  # it may be waiting for room
            _drain(ready)
            thread.join(0.01)


class _Failure:
    def __init__(self, error: BaseException) -> None:
        self.error = error


def _produce(items: Iterable[Any], ready: "queue.Queue[Any]", stopped: threading.Event) -> None:
    try:
        for item in items:
            if stopped.is_set():
                return
            ready.put(item)
        ready.put(_END)
    except BaseException as error:
        ready.put(_Failure(error))
    finally:
        if isinstance(items, Generator):  # so that what it holds is let go now, and here
            items.close()


def _drain(ready: "queue.Queue[Any]") -> None:
    try:
        while True:
            ready.get_nowait()
    except queue.Empty:
        return
