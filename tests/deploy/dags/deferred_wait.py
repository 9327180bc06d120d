"""A DAG for the test of the deployment: its task hands a wait to the triggerer, and goes on when that is over."""

from datetime import datetime, timedelta
from typing import Any

from airflow.providers.standard.triggers.temporal import TimeDeltaTrigger
from airflow.sdk import DAG, BaseOperator


class WaitOperator(BaseOperator):
    def execute(self, context: Any) -> None:
        self.log.info("handed to the triggerer")
        self.defer(trigger=TimeDeltaTrigger(timedelta(seconds=5)), method_name="resume")

    def resume(self, context: Any, event: Any) -> str:
        self.log.info("resumed by the triggerer")
        return "waited"


with DAG("deferred_wait", schedule=None, start_date=datetime(2024, 1, 1)):
    WaitOperator(task_id="wait")
