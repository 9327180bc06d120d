"""What a dataset of comments must hold to, before anything is made from it."""

import calendar
import math
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any

from threadmill.cloud.work import Waiting, finish
from threadmill.corpora.limits import CommentLimits
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.gate import Check, between
from threadmill.engine.site import Site, settings_site, shell_identity
from threadmill.warehouse.duckdb import DuckDBWarehouse

if TYPE_CHECKING:
    import pyarrow as pa

_THREADS = 2
_EPOCH = date(1970, 1, 1)
# Without these a comment has no place; the others may be missing here and there.
_NEVER_NULL = ("ids", "threads", "times")
_SELDOM_NULL = ("bodies", "authors", "subreddits")
_ENOUGH_A_DAY = 100  # fewer, and a day without any may be chance, as in Reddit's first months


def check_comments(
    uri: str,
    limits: CommentLimits,
    *,
    previous: str = "",
    site: Site | None = None,
    memory_limit: str = "1GB",
    spill_folder: str | None = None,
) -> list[Check]:
    """Measures the comments at ``uri`` and judges them by ``limits``.

    Args:
        previous: URI of the comments of the month before, to measure drift against; "" for none.
        site: whose warehouse measures; as the settings say by default.
        memory_limit: what a warehouse on this machine may hold before it spills.
        spill_folder: where it spills; the system's folder for temporary files by default.

    Raises:
        InputError: no dataset there, or not one of comments.
        RemoteWorkError: BigQuery failed; the same call can succeed later.
    """
    return finish(
        comment_check_steps(uri, limits, previous=previous, site=site, memory_limit=memory_limit, spill_folder=spill_folder)
    )


def comment_check_steps(
    uri: str,
    limits: CommentLimits,
    *,
    previous: str = "",
    site: Site | None = None,
    memory_limit: str = "1GB",
    spill_folder: str | None = None,
) -> Generator[Waiting, None, list[Check]]:
    """As `check_comments`, but yields remote work instead of waiting for it; called again, it finds what is done."""
    site = site or settings_site(shell_identity("check_comments", uri))
    datasets = [Dataset.open(place, "ingest") for place in (uri, previous) if place]
    if site.warehouse == "bigquery":
        from threadmill.corpora.check_tables import measure_comments

        day_tables, measured = yield from measure_comments(datasets, limits.month, site)
    else:
        day_tables, measured = _measure_here(datasets, limits.month, memory_limit, spill_folder)
    days = [_days(table) for table in day_tables]
    (measures,) = measured.to_pylist()
    checks = [*_judged(measures, limits), *_missing_days(days[0], limits)]
    return [*checks, *_drift(days[0], days[1], limits)] if previous else checks


def _measure_here(
    datasets: list[Dataset], month: str, memory_limit: str, spill_folder: str | None
) -> "tuple[list[pa.Table], pa.Table]":
    """The rows of comment_days.sql for each dataset, and of comment_measures.sql for the first."""
    days: list[pa.Table] = []
    with DuckDBWarehouse(memory_limit, _THREADS, spill_folder or tempfile.gettempdir()) as warehouse:
        for dataset in reversed(datasets):  # the first last, to stay loaded
            warehouse.load("comments", [dataset.path(shard) for shard in dataset.shards()])
            days.insert(0, warehouse.query("comment_days"))
        return days, warehouse.query("comment_measures", {"month": month})


@dataclass(frozen=True)
class _Days:
    """The days that have comments, in order, and how many there are, and tombstones among them, over all days."""

    days: list[date]
    comments: int
    tombstones: int

    @property
    def comments_a_day(self) -> float:
        """Over the days that have any."""
        return self.comments / len(self.days) if self.days else 0.0

    @property
    def tombstone_rate(self) -> float:
        return self.tombstones / self.comments if self.comments else math.nan


def _days(found: "pa.Table") -> _Days:
    table = found.sort_by("day").to_pydict()
    days = [_EPOCH + timedelta(days=int(number)) for number in table["day"]]
    return _Days(days, sum(table["row_count"]), sum(table["tombstones"]))


def _judged(measures: dict[str, Any], limits: CommentLimits) -> list[Check]:
    rows = measures["row_count"]

    def rate(name: str) -> float:
        return float(measures[name] / rows) if rows else 0.0

    checks = [
        between("comments", rows, least=limits.min_comments),
        between(
            "duplicate ids", rate("duplicate_ids"), most=limits.max_duplicate_rate, note=f"{measures['duplicate_ids']:,} rows"
        ),
        *(between(f"missing {name}", measures[f"null_{name}"], most=0) for name in _NEVER_NULL),
        *(between(f"missing {name}", rate(f"null_{name}"), most=limits.max_null_rate) for name in _SELDOM_NULL),
        between("tombstones", rate("tombstones"), limits.min_tombstone_rate, limits.max_tombstone_rate),
    ]
    if limits.month:
        checks.append(between(f"not of {limits.month}", rate("outside_month"), most=limits.max_other_month_rate))
    if measures["submissions"]:
        checks.append(between("submissions", measures["submissions"]))
    return checks


def _missing_days(found: _Days, limits: CommentLimits) -> list[Check]:
    """Of the month that is named; else between the first and the last day that has comments."""
    if limits.month:
        year, month = (int(part) for part in limits.month.split("-"))
        first, length = date(year, month, 1), calendar.monthrange(year, month)[1]
    elif found.days:
        first, length = found.days[0], (found.days[-1] - found.days[0]).days + 1
    else:
        return []
    there = set(found.days)
    missing = [day for number in range(length) if (day := first + timedelta(days=number)) not in there]
    judged = found.comments >= _ENOUGH_A_DAY * (length - len(missing)) and there
    note = f"such as {', '.join(map(str, missing[:3]))}" if missing else ""
    return [between("days without a comment", len(missing), most=limits.max_missing_days if judged else None, note=note)]


def _drift(found: _Days, previous: _Days, limits: CommentLimits) -> list[Check]:
    def ratio(number: float, before: float) -> float:
        return number / before if before else math.nan

    return [
        between(
            "comments a day, to the month before's",
            ratio(found.comments_a_day, previous.comments_a_day),
            limits.min_comments_ratio,
            limits.max_comments_ratio,
            note=f"{found.comments_a_day:,.1f} after {previous.comments_a_day:,.1f}",
        ),
        between(
            "tombstones, change from the month before",
            abs(found.tombstone_rate - previous.tombstone_rate),
            most=limits.max_tombstone_change,
            note=f"{found.tombstone_rate:.4g} after {previous.tombstone_rate:.4g}",
        ),
    ]
