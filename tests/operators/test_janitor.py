"""The janitor's judgement of what is left over; that it is found and removed is tested over the services' fakes."""

from collections.abc import Iterator
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk import Context

from operators.janitor import JanitorOperator
from threadmill.cloud import leaks
from threadmill.cloud.identity import RunIdentity
from threadmill.cloud.leaks import Leak, Search
from threadmill.settings import get_settings

ROOT = "gs://ours/threadmill"


class Runs:
    """How many runs of each DAG are going on, as Airflow tells a task."""

    def __init__(self) -> None:
        self.active: set[str] = set()

    def get_dr_count(self, dag_id: str, states: list[str]) -> int:
        assert states == ["running", "queued"]
        return int(dag_id in self.active)


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    monkeypatch.setenv("THREADMILL_ROOT", ROOT)
    monkeypatch.setattr("operators.janitor.library_calls", nullcontext)
    get_settings.cache_clear()
    yield Runs()
    get_settings.cache_clear()


def leak(name: str, dag: str = "reddit_refresh", root: str = ROOT, hours: float = 3) -> Leak:
    return Leak("tpu", name, timedelta(hours=hours), RunIdentity(dag, "scheduled__2015-01-01", "train", root=root).labels())


def sweep(monkeypatch: pytest.MonkeyPatch, runs: Runs, found: list[Leak], starts: str = "") -> list[str]:
    """What is removed of ``found``; a run of ``starts`` is cleared during the search."""
    removed: list[str] = []

    def search(older_than: timedelta) -> Search:
        runs.active |= {starts} - {""}
        return Search(tuple(found), ())

    def remove(leak: Leak, *, dry_run: bool) -> str:
        removed.append(leak.name)
        return leak.line

    monkeypatch.setattr(leaks, "search", search)
    monkeypatch.setattr(leaks, "remove", remove)
    params = {"older_than_hours": 2, "dry_run": False}
    context: Any = {"params": params, "ti": runs}
    told = JanitorOperator(task_id="sweep").execute(Context(**context))
    assert told == {"removed": len(removed), "found": len(removed)}
    return removed


def test_what_a_run_that_is_over_has_left_is_removed(monkeypatch: pytest.MonkeyPatch, runs: Runs) -> None:
    runs.active = {"text_corpus"}
    assert sweep(monkeypatch, runs, [leak("left"), leak("used", "text_corpus")]) == ["left"]


def test_work_of_another_deployment_in_the_project_is_left_to_its_own_janitor(
    monkeypatch: pytest.MonkeyPatch, runs: Runs
) -> None:
    theirs = [leak("theirs", root="gs://theirs/threadmill"), leak("of a shell", dag="shell", root="")]
    assert sweep(monkeypatch, runs, theirs) == []


def test_what_is_older_than_any_work_may_become_is_removed_whose_ever_it_is(monkeypatch: pytest.MonkeyPatch, runs: Runs) -> None:
    assert sweep(monkeypatch, runs, [leak("old", root="gs://theirs/threadmill", hours=24 * 6)]) == ["old"]


def test_a_run_that_is_cleared_while_the_janitor_looks_keeps_its_work(monkeypatch: pytest.MonkeyPatch, runs: Runs) -> None:
    assert sweep(monkeypatch, runs, [leak("used")], starts="reddit_refresh") == []
