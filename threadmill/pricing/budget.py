"""A run's budget: what is allowed by its param or by the deployment, and what comes of a plan that costs more."""

from dataclasses import dataclass

from threadmill.errors import BudgetError
from threadmill.settings import Settings


@dataclass(frozen=True)
class Budget:
    """US dollars that a run may cost; 0 for no limit."""

    dollars: float

    def exceeded_by(self, cost: float) -> bool:
        """Whether ``cost`` is more."""
        return bool(self.dollars) and cost > self.dollars

    def refuse(self, name: str, cost: float) -> None:
        """Raises BudgetError: the run must not begin, and nobody can be asked."""
        raise BudgetError(
            f"{name} would cost ${cost:,.2f} by its plan, more than its budget of ${self.dollars:,.2f}, and nobody is there to "
            "approve it; raise the param budget (or THREADMILL_BUDGET), or trigger it by hand without unattended"
        )


def budget_of(given: float | None, settings: Settings) -> Budget:
    """The budget of a run's param, or the deployment's where it is empty."""
    return Budget(settings.budget if given is None else given)
