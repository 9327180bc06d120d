"""Runs our DAGs and single tasks of them in this process with Airflow's own machinery; needs the database."""

from collections.abc import Mapping
from typing import Any

from airflow.dag_processing.dagbag import DagBag
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance, clear_task_instances
from airflow.sdk import DAG
from airflow.sdk.definitions.dag import _run_task
from airflow.utils.session import create_session
from sqlalchemy import select

from tests.airflow_home import DAGS


def run_dag(conf: Mapping[str, Any], dag_id: str = "reddit_refresh") -> DagRun:
    """A whole run, as `airflow dags test` does it."""
    return _parsed(dag_id).test(run_conf=dict(conf))


def states(run: DagRun) -> dict[str, str | None]:
    """The state of each task of a run."""
    with create_session() as session:
        return {instance.task_id: instance.state for instance in session.scalars(_instances(run))}


def clear_and_run(run: DagRun, task: str) -> str | None:
    """Clears one task of a run and runs it again; returns its state then."""
    with create_session() as session:
        (instance,) = session.scalars(_instances(run).where(TaskInstance.task_id == task))
        clear_task_instances([instance], session)
    with create_session() as session:
        (instance,) = session.scalars(_instances(run).where(TaskInstance.task_id == task))
        instance.try_number += 1  # what the scheduler does
    _run_task(ti=instance, task=_parsed(run.dag_id).get_task(task))
    return states(run)[task]


def _parsed(dag_id: str) -> DAG:
    """The DAG, read anew, as each worker does: a run writes its conf into the params of the DAG it was given."""
    return DagBag(dag_folder=str(DAGS)).dags[dag_id]


def _instances(run: DagRun) -> Any:
    return select(TaskInstance).where(TaskInstance.dag_id == run.dag_id, TaskInstance.run_id == run.run_id)
