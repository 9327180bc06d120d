"""Reads a source to comments and dead letters, whatever its format, a piece at a time."""

import logging
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from threadmill.corpora.addresses import public_uri
from threadmill.corpora.reddit.comments import Parsed, empty_comments
from threadmill.corpora.reddit.config import SourceConfig
from threadmill.corpora.reddit.dump import Block, DamagedSourceError, head, open_decompressed, read_blocks
from threadmill.corpora.reddit.dump_names import month_of
from threadmill.corpora.reddit.formats import HEAD_BYTES, source_format
from threadmill.corpora.reddit.json_lines import parse_block
from threadmill.corpora.reddit.sources import fingerprint, readable, refuse_change
from threadmill.engine.ordered import map_in_order
from threadmill.engine.prefetch import prefetch
from threadmill.errors import InputError
from threadmill.months import month_range

log = logging.getLogger(__name__)

Result = TypeVar("Result")

_ROWS_OF_ONE_SOURCE = 1 << 40  # apart, so that source_row tells the order over all sources
_WRONG_MONTH = "wrong month"
_ENOUGH_LINES = 100_000  # all of another month: no line after them will be of the right one

# A piece of a source that was read; it is parsed when called, on whatever thread that is.
Piece = Callable[[], Parsed]
# From a source's URI, what to add to its rows' numbers, and the month it must be of ("" for any), its pieces.
Reader = Callable[[str, int, str], Iterator[Piece]]


def parsed_blocks(
    source: str, index: int, config: SourceConfig, then: Callable[[Parsed], Result], workers: int = 1, planned: str = ""
) -> Iterator[Result]:
    """``then`` of each piece of the ``index``-th source, in order. Reading, parsing and the consumer overlap.

    Args:
        then: what is made of a piece, on the thread that parsed it.
        workers: threads that parse.
        planned: the source's fingerprint when it was planned; by default, the one it has now.

    Raises:
        InputError: while it is read: the source is damaged (and ``config.keep_partial`` is not set), holds no lines or
            nothing of its month, or is not as it was planned.
    """
    before = planned or fingerprint(readable(source))
    refuse_change(source, before)
    fault = ""
    totals = _Totals(source, config)

    def work(piece: Piece) -> tuple[_Tally, Result]:
        parsed = piece()
        return _Tally.of(parsed), then(parsed)

    try:
        pieces = prefetch(
            _READERS[source_format(source, head(source, HEAD_BYTES))](source, index * _ROWS_OF_ONE_SOURCE, totals.month)
        )
        for tally, result in map_in_order(work, pieces, workers):
            totals.add(tally)
            yield result
    except InputError as error:
        refuse_change(source, before)
        if not (config.keep_partial and isinstance(error, DamagedSourceError)):
            raise
        fault = error.fault
    refuse_change(source, before)
    totals.check(fault)
    if fault:
        log.warning("%s: %s; what is whole before it is kept, and the dataset is marked as partial", public_uri(source), fault)
        yield then(Parsed(0, empty_comments(), [], partial=fault))


@dataclass(frozen=True)
class _Tally:
    """Of one piece: its lines, the comments in them, and of how many other months lines were."""

    lines: int
    comments: int
    other_months: Counter[str]

    @classmethod
    def of(cls, parsed: Parsed) -> "_Tally":
        other = Counter(letter.detail for letter in parsed.letters if letter.reason == _WRONG_MONTH)
        return cls(parsed.lines, parsed.comments.height, other)


class _Totals:
    """What was read of a source so far, as far as it tells that the source is the wrong one."""

    def __init__(self, source: str, config: SourceConfig) -> None:
        self.month = config.source_month or month_of(source)
        self._remedy = "name the month's dump, or another month" if config.source_month else "rename it, or give --source-month"
        self._source = source
        self._lines = self._kept = 0
        self._other_months: Counter[str] = Counter()

    def add(self, piece: _Tally) -> None:
        """Counts a piece; raises InputError where a long beginning is all of another month."""
        self._lines += piece.lines
        self._kept += piece.comments
        self._other_months.update(piece.other_months)
        if self._lines >= _ENOUGH_LINES:
            self._refuse_another_month()

    def check(self, fault: str) -> None:
        """Raises InputError where the source, read to its end, held no lines, or nothing of its month."""
        if not self._lines and fault:
            raise InputError(f"{public_uri(self._source)}: {fault}, so nothing of it can be kept; download it again")
        if not self._lines:
            raise InputError(f"{public_uri(self._source)} holds no lines; download it again")
        self._refuse_another_month()

    def _refuse_another_month(self) -> None:
        if self._other_months and not self._kept:
            raise InputError(
                f"{public_uri(self._source)} holds no comment of {self.month}, but of {month_range(self._other_months)}; "
                + self._remedy
            )


def _lines(source: str, first_row: int, month: str) -> Iterator[Piece]:
    for block in read_blocks(source):
        yield partial(_parsed_lines, block, first_row, month)


def _parsed_lines(block: Block, first_row: int, month: str) -> Parsed:
    return Parsed(block.lines, *parse_block(block, first_row, month))


def _csv(source: str, first_row: int, month: str) -> Iterator[Piece]:
    from threadmill.corpora.reddit.csv_exports import csv_pieces  # the readers of exports cost dumps a tenth of a second

    return csv_pieces(source, open_decompressed(source), first_row, month)


def _parquet(source: str, first_row: int, month: str) -> Iterator[Piece]:
    from threadmill.corpora.reddit.parquet_exports import parquet_pieces

    return parquet_pieces(source, first_row, month)


_READERS: dict[str, Reader] = {"ndjson": _lines, "csv": _csv, "parquet": _parquet}
