"""What a dataset of comments must hold to, before anything is made from it."""

import tempfile
from typing import Any

from threadmill.corpora.limits import CommentLimits
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.gate import Check, between
from threadmill.warehouse.duckdb import DuckDBWarehouse

_STATEMENT = "comment_measures"
_THREADS = 2
# Without these a comment has no place; the others may be missing here and there.
_NEVER_NULL = ("ids", "threads", "times")
_SELDOM_NULL = ("bodies", "authors", "subreddits")


def check_comments(uri: str, limits: CommentLimits, *, memory_limit: str = "1GB", spill_folder: str | None = None) -> list[Check]:
    """Measures the comments at ``uri`` and judges them by ``limits``.

    Args:
        memory_limit: what the warehouse may hold before it spills.
        spill_folder: where it spills; the system's folder for temporary files by default.

    Raises:
        InputError: no dataset there.
    """
    dataset = Dataset.open(uri)
    with DuckDBWarehouse(memory_limit, _THREADS, spill_folder or tempfile.gettempdir()) as warehouse:
        warehouse.load("comments", [dataset.path(shard) for shard in dataset.shards()])
        (measures,) = warehouse.query(_STATEMENT, {"month": limits.month}).to_pylist()
    return _judged(measures, limits)


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
    return checks
