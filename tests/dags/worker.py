"""Does the tasks of a DAG one after the other in this process, each rendered and executed as Airflow's worker does it.

    python -m tests.dags.worker reddit_refresh '{"source": "/data/RC_2006-01.zst", "month": "2006-01"}'

For tests that kill it: Airflow's own steps around `execute` (15 CPU seconds a run) need no database and no time here.
"""

import json
import os
import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.sdk.execution_time.context import OutletEventAccessors


class Results:
    """What the tasks returned. Stands for the context's ``ti``, which is asked for it."""

    def __init__(self) -> None:
        self._values: dict[tuple[str, str], Any] = {}

    def add(self, task: str, value: Any) -> None:
        """Notes a task's result, and its entries where it has any."""
        entries = value if isinstance(value, dict) else {}
        self._values |= {(task, key): entry for key, entry in {**entries, "return_value": value}.items()}

    def xcom_pull(self, *, task_ids: str, key: str = "return_value", default: Any = None, **_: object) -> Any:
        """The result of a task, or an entry of it."""
        return self._values.get((task_ids, key), default)

    def get_first_reschedule_date(self, context: Mapping[str, Any]) -> None:
        """Sensors ask since when they wait."""
        return


def main(dag_id: str, conf: Mapping[str, Any]) -> None:
    """Runs the DAG with these params."""
    dag = DagBag(dag_folder=os.environ["AIRFLOW__CORE__DAGS_FOLDER"]).dags[dag_id]
    dag.params.update(conf)
    results = Results()
    context: Any = {
        "dag": dag,
        "dag_run": SimpleNamespace(run_type="manual"),
        "params": dag.params.validate(),
        "ti": results,
        "outlet_events": OutletEventAccessors(),
    }
    for node in dag.topological_sort():
        task: Any = node.prepare_for_execution()  # type: ignore[union-attr]
        task.render_template_fields(context)
        results.add(task.task_id, task.execute(context))


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]))
