"""Checks that gate a run: each a measure against its limit, shown as one table; any that fails stops the run."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from threadmill.errors import GateError

log = logging.getLogger(__name__)


class Verdict(StrEnum):
    """What came of a check; NOT_JUDGED where no limit was set."""

    PASS = "pass"
    FAIL = "FAIL"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class Check:
    """One measure of a dataset, its value and limit as people read them, and the verdict."""

    measure: str
    value: str
    limit: str
    verdict: Verdict

    @property
    def failed(self) -> bool:
        """True where the run has to stop."""
        return self.verdict is Verdict.FAIL


def between(measure: str, value: float, least: float | None = None, most: float | None = None, note: str = "") -> Check:
    """A check that ``least`` <= ``value`` <= ``most``, each where it is given. NaN fails any limit.

    Args:
        note: added to the value, such as the id of a row that is at fault.
    """
    shown = _number(value) + (f" ({note})" if note else "")
    if least is None and most is None:
        return Check(measure, shown, "none", Verdict.NOT_JUDGED)
    good = (least is None or value >= least) and (most is None or value <= most)
    return Check(measure, shown, _limit(least, most), Verdict.PASS if good else Verdict.FAIL)


def _limit(least: float | None, most: float | None) -> str:
    if least is None or most is None:
        return f"<= {_number(most)}" if least is None and most is not None else f">= {_number(least or 0)}"
    return _number(least) if least == most else f"{_number(least)} to {_number(most)}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def enforce(checks: Sequence[Check], where: str) -> None:
    """Logs the checks as a table and lets the run go on if none failed.

    Raises:
        GateError: names what failed, in one line.
    """
    failed = [check for check in checks if check.failed]
    log.log(logging.WARNING if failed else logging.INFO, "%s\n%s", where, table(checks))
    if failed:
        reasons = "; ".join(f"{check.measure} is {check.value}, wanted {check.limit}" for check in failed)
        raise GateError(
            f"{where}: {len(failed)} of {len(checks)} checks failed: {reasons}; look at the data, or change the limits"
        )


def table(checks: Sequence[Check]) -> str:
    """The checks as lines of plain text: measure, limit, value, verdict."""
    rows = [("measure", "limit", "value", "verdict"), *((c.measure, c.limit, c.value, str(c.verdict)) for c in checks)]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows)
