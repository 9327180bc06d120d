"""A DAG of the four tasks that the budget is about: what is planned, what it costs, whether that is approved, and the work."""

from datetime import datetime
from typing import Any

from airflow.sdk import DAG, chain, task

from operators.base import DEFAULT_ARGS
from operators.budget import budget_params
from operators.pricing import APPROVE, PRICE, ApproveCosts, PriceRedditRun
from operators.reddit_params import reddit_params

with DAG(
    "budgeted",
    schedule=None,
    start_date=datetime(2006, 1, 1),
    params={**reddit_params(), **budget_params()},
    default_args=DEFAULT_ARGS,
) as dag:

    @task(task_id="plan", multiple_outputs=True)
    def plan() -> dict[str, Any]:
        """What PlanRedditMonth returns, of a dump on the web."""
        return {"month": "2015-05", "sources": ["https://localhost:1/RC_2015-05.zst"], "lookback": []}

    @task(task_id="work")
    def work() -> None:
        """What would cost money."""

    chain(plan(), PriceRedditRun(task_id=PRICE), ApproveCosts(task_id=APPROVE), work())
