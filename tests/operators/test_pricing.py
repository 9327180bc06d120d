"""The tasks that price a run and have it approved, less Airflow's own steps: tests/dags/test_budget.py has those."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException

from operators.budget import watch_run
from operators.pricing import ApproveCosts, PriceRedditRun, PriceTextRun
from operators.text_params import text_params
from tests.operators.contexts import context
from tests.pricing.test_spending import QUERY, finished
from threadmill.errors import BudgetError
from threadmill.settings import get_settings


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv(
        "AIRFLOW_CONN_GOOGLE_CLOUD_DEFAULT", '{"conn_type": "google_cloud_platform", "extra": {"is_anonymous": true}}'
    )
    for name, value in (("PLATFORM", "gcp"), ("ROOT", "gs://bucket/root"), ("REGION", "us-central1"), ("PROJECT", "p1")):
        monkeypatch.setenv(f"THREADMILL_{name}", value)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def run_of(run_type: str = "manual", pulled: Any = None, **params: Any) -> Context:
    ti = SimpleNamespace(xcom_pull=lambda task_ids: pulled, task_id="threads")
    values = {"dag_run": SimpleNamespace(run_type=run_type), "ti": ti}
    made = context(values)
    made["params"] = {**made["params"], **params}  # type: ignore[typeddict-item]
    return made


def price() -> PriceRedditRun:
    return PriceRedditRun(task_id="price", month="2015-05", sources=["https://localhost:1/RC_2015-05.zst"], lookback=[])


def approve() -> ApproveCosts:
    return ApproveCosts(task_id="approve")


def test_a_run_by_schedule_over_its_budget_fails_with_the_remedy(cloud: None) -> None:
    with pytest.raises(AirflowFailException, match=r"would cost \$.*more than its budget of \$1.00.*raise the param budget"):
        price().execute(run_of("scheduled", budget=1))


def test_a_run_by_hand_over_its_budget_is_left_to_be_approved(cloud: None) -> None:
    found = price().execute(run_of(budget=1))
    assert found["over_budget"]
    assert found["budget"] == 1
    assert found["cost"] > 1


def test_no_budget_is_no_limit(cloud: None) -> None:
    found = price().execute(run_of("scheduled"))
    assert not found["over_budget"]


def test_a_run_over_text_is_priced_by_its_files(cloud: None, tmp_path: Path) -> None:
    (tmp_path / "novel.txt").write_bytes(b"x" * 1000)
    params = {name: param.resolve() for name, param in text_params().items()}
    made = run_of()
    made["params"] = params  # type: ignore[typeddict-item]
    found = PriceTextRun(task_id="price", sources=[str(tmp_path / "novel.txt")]).execute(made)
    assert "Text by the files' sizes" in found["table"]
    assert "| train |" in found["table"]


def test_approval_passes_at_once_within_the_budget() -> None:
    assert approve().execute(run_of(pulled={"over_budget": False, "cost": 5.0, "budget": 10.0})) is None


@pytest.mark.parametrize(
    ("event", "message"),
    [
        ({"chosen_options": ["Reject"], "responded_by_user": {"id": "1", "name": "ann"}}, "ann rejected the costs"),
        ({"error": "no answer in 7 days", "error_type": "timeout"}, "nobody approved the costs"),
    ],
)
def test_a_rejection_or_no_answer_fails_for_good(event: dict[str, Any], message: str) -> None:
    with pytest.raises(AirflowFailException, match=message):
        approve().execute_complete(run_of(), event)


def test_approval_has_a_time_limit_of_its_own_and_a_week_for_the_answer() -> None:
    task = approve()
    assert task.response_timeout is not None
    assert task.response_timeout.days == 7
    assert task.execution_timeout is not None


def test_remote_work_does_not_start_once_the_budget_is_spent(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    finished(root / "reddit" / "2015-05" / "ingest", QUERY)
    uri = str(root / "reddit" / "2015-05" / "threads")
    watch_run(run_of(budget=1), uri)  # all is local
    monkeypatch.setenv("THREADMILL_ENGINE", "dataflow")
    get_settings.cache_clear()
    watch_run(run_of(budget=10), uri)
    with pytest.raises(BudgetError, match="threads is not started"):
        watch_run(run_of(budget=1), uri)
