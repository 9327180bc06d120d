"""The janitor: remote work that no run waits for any more is found by our labels, told, and removed."""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseOperator

from operators.google import is_remote
from operators.library import library_calls
from threadmill.cloud.identity import DEPLOYMENT, deployment_label
from threadmill.errors import RemoteWorkError, ThreadmillError
from threadmill.settings import get_settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from threadmill.cloud.leaks import Leak

log = logging.getLogger(__name__)

DAGS = ("reddit_refresh", "text_corpus")
_ACTIVE = ["running", "queued"]
_MARGIN = timedelta(days=1)


class JanitorOperator(BaseOperator):
    """Removes TPUs, Dataflow and Vertex AI jobs and scratch datasets that our labels or names are on, and whose run is over.

    A run is over where its DAG has none that is running or queued. What was started from a shell, by another DAG with our
    operators, or by another deployment (another root in the same project), is not known here: it is left until it is older than
    any work may become.

    Returns:
        {"removed": how many, "found": how many}.
    """

    ui_color = "#fce8e6"

    def execute(self, context: "Context") -> dict[str, int]:
        """Looks, tells, removes.

        Raises:
            RemoteWorkError: a service did not answer, or something could not be removed: the next look may succeed.
        """
        if not is_remote():
            log.info("%s: all work is done on this machine, nothing can be left elsewhere", self.task_id)
            return {"removed": 0, "found": 0}
        from threadmill.cloud.leaks import search

        params = context["params"]
        with library_calls():
            found = search(timedelta(hours=params["older_than_hours"]))
            # After the search, which takes minutes: a run that was cleared meanwhile goes on with what it has left.
            active = {dag for dag in DAGS if context["ti"].get_dr_count(dag, states=_ACTIVE)}
            over = [leak for leak in found.leaks if _is_over(leak, active)]
            faults = [*found.faults, *self._remove(over, dry_run=params["dry_run"])]
        log.info("%s: %d left over, %d in use", self.task_id, len(over), len(found.leaks) - len(over))
        if faults:
            raise RemoteWorkError(f"not all could be looked at or removed: {'; '.join(faults)}")
        return {"removed": 0 if params["dry_run"] else len(over), "found": len(over)}

    def _remove(self, leaks: "list[Leak]", *, dry_run: bool) -> list[str]:
        from threadmill.cloud.leaks import remove

        faults = []
        for leak in leaks:
            try:
                log.warning("%s: %s", self.task_id, remove(leak, dry_run=dry_run))
            except ThreadmillError as error:
                faults.append(f"{leak.name}: {error}")
        return faults


def _is_over(leak: "Leak", active: set[str]) -> bool:
    settings = get_settings()
    oldest = timedelta(hours=settings.tpu_max_hours + settings.tpu_queue_hours) + _MARGIN
    is_ours = leak.labels.get(DEPLOYMENT) == deployment_label(settings.root)
    return (is_ours and _dag_of(leak.labels) in set(DAGS) - active) or leak.age > oldest


def _dag_of(labels: Mapping[str, Any]) -> str:
    return str(labels.get("threadmill_dag", ""))
