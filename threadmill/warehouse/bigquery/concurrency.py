"""Works that know nothing of each other, at the same time."""

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial

from threadmill.cloud.stopping import cancelled_at_stop
from threadmill.cloud.work import Waiting, cancel


def side_by_side(works: Iterable[Iterator[Waiting]]) -> Iterator[Waiting]:
    """Begins all works, and goes on with each once what it waited for is over. Who waits sees one at a time, and the others
    beside it.

    Args:
        works: each begins something remote, yields it, and goes on when it is over, such as `job_steps` of one job after the
            other.
    """
    under_way: deque[tuple[Iterator[Waiting], Waiting]] = deque()
    with ExitStack() as held:
        for work in works:
            _begin(work, under_way, held)
    while under_way:
        work, waiting = under_way.popleft()
        yield replace(waiting, beside=[other.handle for _, other in under_way])
        with ExitStack() as held:
            for _, other in under_way:
                _hold(other, held)
            _begin(work, under_way, held)


def _begin(work: Iterator[Waiting], under_way: deque[tuple[Iterator[Waiting], Waiting]], held: ExitStack) -> None:
    waiting = next(work, None)
    if waiting is not None:
        under_way.append((work, waiting))
        _hold(waiting, held)


def _hold(waiting: Waiting, held: ExitStack) -> None:
    """Nobody waits for it yet, or sees it: it is cancelled where this process is asked to stop meanwhile."""
    held.enter_context(cancelled_at_stop(waiting.what, partial(cancel, waiting)))
