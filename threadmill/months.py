"""Calendar months as YYYY-MM."""

import re
from collections.abc import Iterable
from datetime import datetime

from threadmill.errors import ConfigError

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")


def is_month(text: str) -> bool:
    """True for YYYY-MM."""
    return _MONTH.fullmatch(text) is not None


def check_month(month: str) -> str:
    """``month`` itself.

    Raises:
        ConfigError: it is not YYYY-MM.
    """
    if not _MONTH.fullmatch(month):
        raise ConfigError(f"month is {month!r}; write it as YYYY-MM, such as 2006-01")
    return month


def add_months(month: str, count: int) -> str:
    """The month ``count`` months after (or before, where negative) ``month``.

    Raises:
        ConfigError: ``month`` is not YYYY-MM, or the result is not.
    """
    year, number = (int(part) for part in check_month(month).split("-"))
    months = year * 12 + number - 1 + count
    return check_month(f"{months // 12:04d}-{months % 12 + 1:02d}")


def month_bounds(month: str) -> tuple[int, int]:
    """Seconds since 1970 of the beginning of ``month`` (UTC), and of its end, exclusive. Raises ConfigError as `check_month`."""
    first, last = (datetime.fromisoformat(f"{name}-01T00:00:00+00:00") for name in (check_month(month), add_months(month, 1)))
    return int(first.timestamp()), int(last.timestamp())


def month_range(months: Iterable[str]) -> str:
    """The first and the last of ``months`` as people read them: "2005-11 to 2006-01", one alone, or "nothing"."""
    ordered = sorted(months)
    return f"{ordered[0]} to {ordered[-1]}" if len(ordered) > 1 else "".join(ordered) or "nothing"
