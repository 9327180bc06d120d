"""The price of a run: a task that prices it before it starts, and one that has it approved where it is over the budget."""

import logging
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowFailException

from operators.budget import run_budget
from operators.library import library_calls
from operators.pretraining_params import pretraining_configs
from operators.reddit_params import picked
from operators.templates import listed, planned, planned_list
from threadmill.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from threadmill.pricing.plan import RunPlan
    from threadmill.pricing.runs import ModelPlan

log = logging.getLogger(__name__)

PRICE, APPROVE = "price", "approve"
_ANSWER_WITHIN = timedelta(days=7)


class PriceOperator(BaseOperator):
    """Prices the run before anything starts; a run over its budget fails where nobody can be asked.

    Returns:
        {"cost": US dollars, "budget": US dollars, 0 for none, "over_budget", "table": the lines in Markdown}.
    """

    ui_color = "#fef7e0"

    @abstractmethod
    def run_plan(self, context: "Context") -> "RunPlan":
        """What the run is going to do."""

    def execute(self, context: "Context") -> dict[str, Any]:
        """Estimates, shows the table, and judges."""
        from threadmill.pricing.estimate import estimate
        from threadmill.pricing.table import markdown_of, text_of

        with library_calls():
            found = estimate(self.run_plan(context), get_settings())
            budget = run_budget(context)
            over = budget.exceeded_by(found.total)
            log.info("%s: the plan of %s", self.task_id, text_of(found))
            if over and _is_unattended(context):
                budget.refuse(found.name, found.total)
        return {"cost": round(found.total, 2), "budget": budget.dollars, "over_budget": over, "table": markdown_of(found)}


class PriceRedditRun(PriceOperator):
    """Prices a run of reddit_refresh."""

    template_fields: Sequence[str] = ("month", "sources", "lookback")

    def __init__(
        self,
        *,
        month: str = planned("month"),
        sources: Sequence[str] | str = planned_list("sources"),
        lookback: Sequence[str] | str = planned_list("lookback"),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.month, self.sources, self.lookback = month, sources, lookback

    def run_plan(self, context: "Context") -> "RunPlan":
        """From the plan and the params."""
        from threadmill.pricing.asking import asked_bytes
        from threadmill.pricing.runs import reddit_run

        params, configs, sources = context["params"], picked(context["params"]), listed(self.sources)
        tables = configs.tables if configs.tables.pattern else replace(configs.tables, month=self.month)
        return reddit_run(
            self.month,
            _model_plan(params),
            sources=sources,
            tables=bool(params["table_dataset"]),
            pattern=tables.pattern,
            lookback=listed(self.lookback),
            deduplication=configs.deduplication.deduplication,
            query_bytes=asked_bytes(sources, tables) if params["table_dataset"] else {},
        )


class PriceTextRun(PriceOperator):
    """Prices a run of text_corpus."""

    template_fields: Sequence[str] = ("sources",)

    def __init__(self, *, sources: Sequence[str] | str = planned_list("sources"), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.sources = sources

    def run_plan(self, context: "Context") -> "RunPlan":
        """From the plan and the params."""
        from threadmill.pricing.runs import text_run

        return text_run(context["params"]["name"], _model_plan(context["params"]), sources=listed(self.sources))


class ApproveCosts(ApprovalOperator):
    """Passes at once a run that is within its budget; for one above, waits until somebody approves the table of its costs.

    Approved, the run goes on; rejected, or not answered in a week, it fails, and no retry asks again.

    Args:
        priced_by: the task that priced the run.
    """

    ui_color = "#fef7e0"

    def __init__(self, *, priced_by: str = PRICE, **kwargs: Any) -> None:
        pulled = "ti.xcom_pull(task_ids='" + priced_by + "')"
        kwargs.setdefault("response_timeout", _ANSWER_WITHIN)
        super().__init__(
            subject="{% set p = " + pulled + " %}{{ dag.dag_id }} would cost ${{ '%.2f' | format(p.cost) }}, "
            "more than its budget of ${{ '%.2f' | format(p.budget) }}",
            body="{{ " + pulled + "['table'] }}",
            fail_on_reject=True,
            execution_timeout=None,  # which would be taken for the time to answer in
            **kwargs,
        )
        self.priced_by = priced_by
        self.execution_timeout = timedelta(minutes=10)  # of asking; what comes then is no execution

    def execute(self, context: "Context") -> Any:
        """Goes on, or asks."""
        priced = context["ti"].xcom_pull(task_ids=self.priced_by)
        if not priced["over_budget"]:
            limit = f"within the budget of ${priced['budget']:,.2f}" if priced["budget"] else "and no budget is set"
            log.info("%s: the run will cost $%s by its plan, %s", self.task_id, f"{priced['cost']:,.2f}", limit)
            return None
        log.info("%s: %s; answer it under Required Actions", self.task_id, self.subject)
        return super().execute(context)

    def execute_complete(self, context: "Context", event: dict[str, Any]) -> Any:
        """Goes on where it was approved.

        Raises:
            AirflowFailException: it was rejected, or nobody answered.
        """
        if "error" in event:
            raise AirflowFailException(f"nobody approved the costs of this run ({event['error']}); clear this task to ask again")
        if self.REJECT in event["chosen_options"]:
            who = (event.get("responded_by_user") or {}).get("name", "somebody")
            raise AirflowFailException(f"{who} rejected the costs of this run; clear the task {self.task_id} to ask again")
        return super().execute_complete(context, event)


def _model_plan(params: Mapping[str, Any]) -> "ModelPlan":
    from threadmill.pricing.runs import ModelPlan

    configs = pretraining_configs(params)
    return ModelPlan(configs.records, configs.training, configs.evaluation, configs.vocabulary.vocab_size)


def _is_unattended(context: "Context") -> bool:
    run_type = getattr(context["dag_run"], "run_type", "manual")
    return bool(context["params"].get("unattended")) or str(getattr(run_type, "value", run_type)) == "scheduled"
