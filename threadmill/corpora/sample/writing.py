"""Months of the sample world as dump files: RC_YYYY-MM.zst and RS_YYYY-MM.zst, NDJSON in zstandard frames."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import zstandard

from threadmill.corpora.sample.months import LAST, MONTH_IDS, Month
from threadmill.corpora.sample.world import Lines, World
from threadmill.datasets import storage
from threadmill.engine.local import available_workers
from threadmill.errors import ConfigError

_BLOCK = 1 << 14  # comments a block, and so a frame; the bytes of the files depend on it
_LEVEL = 3
_MOST_MONTHS = 1200
_MOST_WORKERS = 4  # the one thread that plans the comments keeps no more busy


def write_sample(
    output: str, *, comments: int, months: int = 1, start: str = "2006-01", seed: int = 7, submissions: bool = False
) -> list[Path]:
    """Writes months of made-up Reddit comments as RC_YYYY-MM.zst, in the form that the real dumps of these months have.

    The same arguments give the same bytes, on any machine. Memory does not grow with the number of comments.

    Args:
        output: a local folder; made if it is not there. A file of the same name is replaced.
        comments: how many comments in all, spread evenly over the months.
        months: how many consecutive months.
        start: the first month, as YYYY-MM.
        seed: the seed of all that is random.
        submissions: write RS_YYYY-MM.zst beside: the submissions of the threads that open in the month. The comments are
            the same with them and without.

    Returns:
        The files, one a month, in order, or two with submissions. A month without comments has a file without lines.

    Raises:
        ConfigError: an argument is out of range, or the folder cannot be made.
    """
    _check(comments, months, seed)
    first = Month.parse(start)
    spans = [first.later(number) for number in range(months)]
    if spans[-1].name > LAST or len(spans[-1].name) != len(LAST):
        raise ConfigError(f"{months} months from {start} end after {LAST}; start earlier, or ask for fewer")
    counts = [(number + 1) * comments // months - number * comments // months for number in range(months)]
    _make_folder(output)
    world = World(spans, max(counts), seed, submissions=submissions)
    prefixes = ("RC", "RS") if submissions else ("RC",)
    world.begin(first, max(counts), _BLOCK)
    with ThreadPoolExecutor(_workers(), thread_name_prefix="sample") as pool:
        paths: list[Path] = []
        for month, count in zip(spans, counts, strict=True):
            paths += _write_month(world, month, count, output, prefixes, pool)
    return paths


def _check(comments: int, months: int, seed: int) -> None:
    if not 1 <= months <= _MOST_MONTHS:
        raise ConfigError(f"months is {months}; ask for 1 to {_MOST_MONTHS}")
    if comments < 1:
        raise ConfigError(f"comments is {comments}; ask for 1 or more")
    if comments > months * MONTH_IDS:
        raise ConfigError(f"comments is {comments}, over {MONTH_IDS} a month; ask for fewer comments or more months")
    if seed < 0:
        raise ConfigError(f"seed is {seed}; give 0 or more")


def _make_folder(output: str) -> None:
    if not storage.is_local(output):
        raise ConfigError(f"{output} is not a local folder; write the sample to one and copy it from there")
    try:
        storage.make_directory(output)
    except OSError as error:
        raise ConfigError(f"cannot write into {output}: {error.strerror}; give a folder that can be made") from error


def _write_month(
    world: World, month: Month, comments: int, output: str, prefixes: Sequence[str], pool: ThreadPoolExecutor
) -> list[Path]:
    """The month's files, one a prefix, from one pass over its comments."""
    paths = [storage.join(storage.local_path(output), f"{prefix}_{month.name}.zst") for prefix in prefixes]
    with ExitStack() as files:
        streams = [files.enter_context(storage.atomic_writer(path)) for path in paths]
        blocks = world.blocks(month, comments, _BLOCK) if comments else iter([lambda: [np.empty(0, np.uint8)] * len(paths)])
        for frames in _in_order(pool, (_frames(lines) for lines in blocks)):
            for stream, frame in zip(streams, frames, strict=True):
                stream.write(frame)
    return [Path(path) for path in paths]


def _frames(block: Callable[[], list[Lines]]) -> Callable[[], list[bytes]]:
    """Writes a block's lines, those of each file as one zstandard frame."""
    return lambda: [zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(lines.data) for lines in block()]


def _in_order(pool: ThreadPoolExecutor, tasks: Iterable[Callable[[], list[bytes]]]) -> Iterator[list[bytes]]:
    """The results of the tasks, in their order, with a few of them under way at a time."""
    under_way: deque[Future[list[bytes]]] = deque()
    for task in tasks:
        under_way.append(pool.submit(task))
        if len(under_way) > _workers() + 1:
            yield under_way.popleft().result()
    while under_way:
        yield under_way.popleft().result()


def _workers() -> int:
    return min(_MOST_WORKERS, available_workers())
