"""The budget of a run: its params in the form, and the watch on what the run has spent."""

from typing import TYPE_CHECKING

from airflow.sdk import Param

from operators.google import is_remote
from threadmill.pricing.budget import Budget, budget_of
from threadmill.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context


def budget_params() -> dict[str, Param]:
    """The section Costs of a DAG's form."""
    section = "Costs"
    return {
        "budget": Param(
            None, type=["null", "number"], minimum=0, title="budget", section=section,
            description="US dollars that the run may cost. Where its plan is above, somebody is asked first, or an unattended "
            "run fails; no remote work is started once so much is spent. 0: no limit. Empty: THREADMILL_BUDGET",
        ),
        "unattended": Param(
            False, type="boolean", title="unattended", section=section,
            description="Nobody can be asked: above its budget the run fails. Runs by schedule are unattended always",
        ),
    }  # fmt: skip


def run_budget(context: "Context") -> Budget:
    """The budget of this run."""
    return budget_of(context["params"].get("budget"), get_settings())


def watch_run(context: "Context", uri: str) -> None:
    """Logs what the run has spent, and stops it where its budget is used up; nothing where all is local.

    To be called before remote work is started.

    Args:
        uri: of one of the run's datasets, beside which the others lie.

    Raises:
        BudgetError: the budget is used up.
    """
    if not is_remote():
        return
    from threadmill.pricing.spending import dataset_uris, watch_spending

    folder = uri.rstrip("/").rpartition("/")[0]
    watch_spending(dataset_uris(folder), run_budget(context).dollars, before=context["ti"].task_id)
