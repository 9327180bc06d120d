"""A run is priced before it starts: within its budget it goes on, above it is asked about, or fails where nobody is there."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.airflow_home import REPOSITORY  # isort: skip (sets Airflow's variables)
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
from airflow.api_fastapi.core_api.datamodels.hitl import UpdateHITLDetailPayload
from airflow.api_fastapi.core_api.routes.public.hitl import update_hitl_detail
from airflow.dag_processing.dagbag import DagBag
from airflow.models.dagrun import DagRun
from airflow.models.hitl import HITLDetail
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import select

from tests.dags.airflow_runs import states
from threadmill.settings import get_settings

FOLDER = REPOSITORY / "tests" / "dags" / "budget"
BUNDLE = {"name": "budget", "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle", "kwargs": {"path": str(FOLDER)}}

# A model and records so small that the data stages make up most of the plan: 10 to 20 dollars.
SMALL = {"model": "bert-tiny", "steps": 300}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.usefixtures("airflow_database"),
    pytest.mark.filterwarnings("ignore:GitWildMatchPattern:DeprecationWarning"),  # Airflow's use of pathspec
]


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Settings of a deployment on Google Cloud, whose connection has no credentials: a plan needs none."""
    yield from _settings(
        monkeypatch, THREADMILL_PLATFORM="gcp", THREADMILL_ROOT="gs://bucket/root", THREADMILL_REGION="us-central1"
    )


@pytest.fixture
def laptop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    yield from _settings(monkeypatch, THREADMILL_PLATFORM="local", THREADMILL_ROOT=str(tmp_path))


def _settings(patch: pytest.MonkeyPatch, **variables: str) -> Iterator[None]:
    connection = '{"conn_type": "google_cloud_platform", "extra": {"is_anonymous": true, "project": "p1"}}'
    variables |= {
        "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT": connection,
        "AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": json.dumps([BUNDLE]),
    }
    for name, value in variables.items():
        patch.setenv(name, value)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def run(**conf: Any) -> DagRun:
    """As `airflow dags test` runs it."""
    return DagBag(dag_folder=str(FOLDER)).dags["budgeted"].test(run_conf={**SMALL, **conf})


def returned(run: DagRun, task: str) -> Any:
    with create_session() as session:
        found = session.scalars(XComModel.get_many(run_id=run.run_id, dag_ids="budgeted", task_ids=task, key="return_value"))
        return XComModel.deserialize_value(found.one())


def answer(option: str, questions: list[str]) -> threading.Thread:
    """Gives, as the page Required Actions does, this answer to what the run asks, and notes the question."""

    def wait_and_answer() -> None:
        for _ in range(600):
            with create_session() as session:
                asked = session.execute(
                    select(HITLDetail, TaskInstance).join(TaskInstance, TaskInstance.id == HITLDetail.ti_id)
                    .where(HITLDetail.responded_at.is_(None), TaskInstance.state == "awaiting_input")
                ).first()  # fmt: skip
                if asked:
                    questions.append(f"{asked[0].subject}\n{asked[0].body}")
                    update_hitl_detail(
                        "budgeted", asked[1].run_id, asked[1].task_id, UpdateHITLDetailPayload(chosen_options=[option]),
                        SimpleAuthManagerUser(username="ann", role="admin"), session,
                    )  # fmt: skip
                    return
            time.sleep(0.1)

    thread = threading.Thread(target=wait_and_answer, daemon=True)
    thread.start()
    return thread


def test_a_run_within_its_budget_starts_at_once_and_shows_its_table(cloud: None) -> None:
    done = run(budget=1000)
    assert states(done) == dict.fromkeys(("plan", "price", "approve", "work"), "success")
    priced = returned(done, "price")
    assert 1 < priced["cost"] < 1000
    assert not priced["over_budget"]
    assert "| train | Cloud TPU v5e spot, 8 chips |" in priced["table"]
    assert "https://cloud.google.com/bigquery/pricing" in priced["table"]


def test_a_run_over_its_budget_waits_for_approval_and_goes_on(cloud: None) -> None:
    questions: list[str] = []
    thread = answer("Approve", questions)
    done = run(budget=0.5)
    thread.join()
    assert states(done) == dict.fromkeys(("plan", "price", "approve", "work"), "success")
    (question,) = questions
    cost = returned(done, "price")["cost"]
    assert question.startswith(f"budgeted would cost ${cost:.2f}, more than its budget of $0.50")
    assert f"**{cost:.2f}**" in question  # the table's total


def test_a_run_whose_costs_are_rejected_fails_without_starting_or_asking_again(cloud: None) -> None:
    thread = answer("Reject", [])
    done = run(budget=0.5)
    thread.join()
    assert states(done) == {"plan": "success", "price": "success", "approve": "failed", "work": "upstream_failed"}


def test_an_unattended_run_over_its_budget_fails_before_anything_starts(cloud: None) -> None:
    done = run(unattended=True, budget=0.5)
    assert states(done) == {"plan": "success", "price": "failed", "approve": "upstream_failed", "work": "upstream_failed"}


def test_the_deployments_budget_holds_where_the_form_has_none(cloud: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADMILL_BUDGET", "0.5")
    get_settings.cache_clear()
    assert states(run(unattended=True))["price"] == "failed"
    assert states(run(unattended=True, budget=0))["price"] == "success"


def test_on_a_laptop_nothing_costs_and_nobody_is_asked(laptop: None) -> None:
    done = run(budget=0.01, unattended=True)
    assert states(done) == dict.fromkeys(("plan", "price", "approve", "work"), "success")
    assert returned(done, "price")["cost"] == 0
