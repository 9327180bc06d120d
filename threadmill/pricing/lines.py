"""A line of costs: so many units of something at a price, and how each of the two is known."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from threadmill.pricing.prices import Price

# How a quantity is known, from the surest to the least.
JOB_STATISTICS, DRY_RUN, MEASURED, PUBLISHED, ASSUMED = (
    "job statistics", "dry run", "measured rate", "published figure", "assumption",
)  # fmt: skip
CERTAINTY = (JOB_STATISTICS, DRY_RUN, PUBLISHED, MEASURED, ASSUMED)


@dataclass(frozen=True)
class Line:
    """What one thing costs.

    Attributes:
        stage: of the run, such as "threads"; "" for all of it.
        item: what is paid for, for people.
        quantity: in ``price.unit``.
        known: how the quantity is known: the least sure of what it was made from.
        note: what was assumed.
    """

    stage: str
    item: str
    quantity: float
    price: Price
    known: str
    note: str = ""

    @property
    def cost(self) -> float:
        """US dollars."""
        return self.quantity * self.price.value

    def to_json(self) -> dict[str, Any]:
        """The JSON object of `threadmill plan --json`."""
        return {**asdict(self), "cost": round(self.cost, 6)}


def total(lines: Iterable[Line]) -> float:
    """US dollars of all lines."""
    return sum(line.cost for line in lines)


def least_sure(*known: str) -> str:
    """The least sure of several ways to know."""
    return max(known, key=CERTAINTY.index)
