"""# janitor

Finds what a run has left at Google Cloud and nobody waits for any more (TPUs, Dataflow and Vertex AI jobs, scratch datasets),
by the labels and names that all of Threadmill's remote work bears, and removes it. It runs every hour on platform gcp; where
all work is local, by hand only, and does nothing.

What belongs to a DAG that has a run going on is left alone. `dry_run` only tells.
"""

from datetime import datetime, timedelta

from airflow.sdk import DAG, Param

from operators.base import DEFAULT_ARGS
from operators.google import is_remote
from operators.janitor import JanitorOperator

with DAG(
    "janitor",
    doc_md=__doc__,
    schedule="@hourly" if is_remote() else None,
    start_date=datetime(2006, 1, 1),
    catchup=False,
    max_active_runs=1,
    params={
        "dry_run": Param(
            False, type="boolean", title="dry_run", section="Janitor", description="Only tell what would be removed"
        ),
        "older_than_hours": Param(
            2,
            type="number",
            minimum=0,
            title="older_than_hours",
            section="Janitor",
            description="Hours that something must have existed: what a run has just started is nobody's leak",
        ),
    },
    default_args={**DEFAULT_ARGS, "execution_timeout": timedelta(minutes=30)},
    tags=["threadmill", "deployment"],
) as dag:
    JanitorOperator(task_id="sweep")  # fmt: skip
