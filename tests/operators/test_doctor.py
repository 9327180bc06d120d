"""The doctor as a task."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk import Context
from airflow.sdk.exceptions import AirflowFailException

from operators.doctor import DoctorOperator
from threadmill.doctor import examination
from threadmill.doctor.checkup import FAIL, PASS, SKIP, Finding


def context(pushed: dict[str, Any]) -> Context:
    ti = SimpleNamespace(xcom_push=lambda key, value: pushed.update({key: value}))
    return cast(Context, {"params": {"resolve": False}, "ti": ti})


def test_a_deployment_in_order_ends_green_with_its_table(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checks = (("one", lambda _: [Finding(PASS, "one", "is well"), Finding(SKIP, "two", "is not used | here")]),)
    monkeypatch.setattr(examination, "_HERE", checks)
    monkeypatch.setattr(examination, "_ROOT", ())
    pushed: dict[str, Any] = {}
    assert DoctorOperator(task_id="examine").execute(context(pushed)) == {"passed": 1, "skipped": 1, "failed": 0}
    assert pushed["table"].splitlines()[2] == "| PASS | one | is well |  |"
    assert "not used \\| here" in pushed["table"]


def test_a_check_that_fails_fails_the_task_with_its_command(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "_HERE", (("one", lambda _: [Finding(FAIL, "one", "is ill", "mend it")]),))
    monkeypatch.setattr(examination, "_ROOT", ())
    with pytest.raises(AirflowFailException, match="1 of 1 checks failed: one: is ill -> mend it"):
        DoctorOperator(task_id="examine").execute(context({}))
