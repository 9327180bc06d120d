"""Whose remote work is, and the names that follow from it: a retry, a teardown or the janitor finds by them what was started."""

import hashlib
import re
from dataclasses import dataclass

PREFIX = "threadmill"
DEPLOYMENT = "threadmill_deployment"  # a label
_LABEL_LENGTH = 63
_DIGEST_LENGTH = 10


@dataclass(frozen=True)
class RunIdentity:
    """The task of a DAG run that remote work belongs to.

    Attributes:
        dag_id, run_id, task_id, map_index: as Airflow's; from the shell: "shell", the absolute URI of the output, and the stage.
        root: URI of the deployment's datasets, which tells apart deployments in one project, whose runs have the same ids; ""
            from the shell, where the output's URI does.
    """

    dag_id: str
    run_id: str
    task_id: str
    map_index: int = -1
    root: str = ""

    def name(self, *parts: str, length: int = 63) -> str:
        """A name for remote work of this task, the same each time: fit for Dataflow jobs, BigQuery jobs, TPUs and objects.

        Lower-case letters, digits and hyphens; it begins with "threadmill-" and ends with a digest of all of the identity and
        the parts.

        Args:
            parts: what tells apart the works of one task, such as a stage's run key.
            length: of the name at most.
        """
        digest = hashlib.sha256("\n".join([*self._all, *parts]).encode()).hexdigest()[:_DIGEST_LENGTH]
        readable = re.sub(r"[^a-z0-9]+", "-", f"{PREFIX}-{self.dag_id}-{self.task_id}".lower())
        return f"{readable[: length - _DIGEST_LENGTH - 1].rstrip('-')}-{digest}"

    def labels(self) -> dict[str, str]:
        """Labels of all remote work of this task: lower-case letters, digits, hyphens and underscores, 63 at most each."""
        return {
            "threadmill_dag": label_value(self.dag_id),
            "threadmill_task": label_value(self.task_id),
            "threadmill_run": label_value(self.run_id),
            "threadmill_id": hashlib.sha256("\n".join(self._all[:2]).encode()).hexdigest()[:_DIGEST_LENGTH],
            **({DEPLOYMENT: deployment_label(self.root)} if self.root else {}),
        }

    @property
    def _all(self) -> list[str]:
        return [self.dag_id, self.run_id, self.task_id, str(self.map_index), *([self.root] if self.root else [])]


def deployment_label(root: str) -> str:
    """The value of the label `DEPLOYMENT` of the work of a deployment whose datasets are in ``root``."""
    return hashlib.sha256(root.rstrip("/").encode()).hexdigest()[:_DIGEST_LENGTH]


def label_value(text: str) -> str:
    """``text`` as a value of a label in Google Cloud."""
    return re.sub(r"[^a-z0-9_-]+", "-", text.lower())[:_LABEL_LENGTH].strip("-")
