"""Works that know nothing of each other, at the same time."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import replace

from threadmill.cloud.work import Waiting


def side_by_side(works: Iterable[Iterator[Waiting]]) -> Iterator[Waiting]:
    """Begins all works, and goes on with each once what it waited for is over. Who waits sees one at a time, and the others
    beside it.

    Args:
        works: each begins something remote, yields it, and goes on when it is over, such as `job_steps` of one job after the
            other.
    """
    under_way: deque[tuple[Iterator[Waiting], Waiting]] = deque()
    for work in works:
        _begin(work, under_way)
    while under_way:
        work, waiting = under_way.popleft()
        yield replace(waiting, beside=[other.handle for _, other in under_way])
        _begin(work, under_way)


def _begin(work: Iterator[Waiting], under_way: deque[tuple[Iterator[Waiting], Waiting]]) -> None:
    waiting = next(work, None)
    if waiting is not None:
        under_way.append((work, waiting))
