"""Applies a function to the items of a stream on several threads, the results in the items' order."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_order(function: Callable[[Item], Result], items: Iterable[Item], workers: int) -> Iterator[Result]:
    """``function`` of each item, in order, ``workers`` at a time: for functions that release the interpreter lock.

    No more than ``workers`` + 1 results are made ahead of the consumer. An error is raised where its result would have come;
    one of ``items`` after the results of those before.
    """
    source = iter(items)
    pending: deque[Future[Result]] = deque()
    pool = ThreadPoolExecutor(workers)
    try:
        failure = None
        while failure is None:
            try:
                pending.append(pool.submit(function, next(source)))
            except StopIteration:
                break
            except Exception as error:
                failure = error
            if len(pending) > workers:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
        if failure is not None:
            raise failure
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        if isinstance(source, Generator):  # so that what it holds is let go now, and here
            source.close()
