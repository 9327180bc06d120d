import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.bigquery import FakeBigQuery
from tests.fakes.bigquery_memory import Memory
from threadmill.cloud.identity import RunIdentity
from threadmill.cloud.stopping import cancel_all
from threadmill.cloud.work import Waiting, wait
from threadmill.engine.phases import StageRun
from threadmill.engine.site import Site
from threadmill.engine.stage import Plan
from threadmill.errors import ConfigError, InputError, RemoteCancelledError, RemoteWorkError, ThreadmillError
from threadmill.settings import get_settings
from threadmill.warehouse.bigquery import jobs, service
from threadmill.warehouse.bigquery.jobs import Destination, Job, LoadJob, QueryJob
from threadmill.warehouse.bigquery.phase import SqlPhase
from threadmill.warehouse.bigquery.scratch import make_dataset, scratch_dataset

COUNTED = QueryJob("counted", "SELECT COUNT(*) AS n FROM t WHERE x = @x", {"x": 3}, Destination("counted"))
LOADED = LoadJob("loaded", ("gs://b/x.parquet",), "t", (("x", "int64"), ("words", "list<int64>")))


def run_of(folder: Path, key: str = "key", run_id: str = "run") -> StageRun:
    return StageRun(Plan((), (), ()), str(folder / "out"), key, Site(RunIdentity("dag", run_id, "task")))


def do(run: StageRun, *works: Job | Callable[[], Sequence[Job]]) -> None:
    for waiting in SqlPhase(run, works).steps():
        wait(waiting)


def records(run: StageRun) -> list[dict[str, Any]]:
    return sorted((json.loads(path.read_text()) for path in Path(run.uri, ".jobs").iterdir()), key=lambda record: record["id"])


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "_LOOK_SECONDS", 0.05)


def test_jobs_run_once_however_often_their_phase_is_taken_up(bigquery: FakeBigQuery, tmp_path: Path) -> None:
    run = run_of(tmp_path)
    for _ in range(3):
        do(run, LOADED, lambda: [COUNTED])
    assert [(job.ran, name[-2:]) for name, job in bigquery.jobs.items()] == [(True, "-0"), (True, "-0")]
    assert [record["measures"] for record in records(run) if "bytes_billed" in record["measures"]] == [
        {"bytes_processed": 1000, "bytes_billed": 10 * 1_048_576, "slot_hours": pytest.approx(0, abs=1)}
    ]
    assert [record["measures"] for record in records(run) if "rows_loaded" in record["measures"]] == [
        {"bytes_loaded": 100, "rows_loaded": 3}
    ]


def test_another_run_or_other_inputs_have_jobs_of_their_own(bigquery: FakeBigQuery, tmp_path: Path) -> None:
    runs = [run_of(tmp_path), run_of(tmp_path, key="other"), run_of(tmp_path, run_id="other")]
    for run in runs:
        do(run, COUNTED)
    assert len(bigquery.jobs) == 3
    assert len({scratch_dataset(run) for run in runs}) == 3


def test_a_job_is_labelled_capped_and_placed(bigquery: FakeBigQuery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADMILL_BIGQUERY_LOCATION", "europe-west4")
    monkeypatch.setenv("THREADMILL_BIGQUERY_MAX_GB", "1.5")
    monkeypatch.setenv("THREADMILL_LABELS", "team=nlp, cost-centre=7")
    get_settings.cache_clear()
    run = run_of(tmp_path)
    do(run, COUNTED, LOADED)
    dataset = scratch_dataset(run)
    backend = bigquery.backend
    assert isinstance(backend, Memory)
    made = backend.datasets[dataset]
    assert (made["location"], made["labels"]["team"], made["labels"]["threadmill_dag"]) == ("europe-west4", "nlp", "dag")
    assert made["defaultTableExpirationMs"] == str(3 * 86_400_000)
    query, load = (job.resource for job in bigquery.jobs.values())
    assert query["configuration"]["labels"] == load["configuration"]["labels"] == made["labels"]
    assert query["jobReference"]["location"] == "europe-west4"
    asked = query["configuration"]["query"]
    assert (asked["maximumBytesBilled"], asked["defaultDataset"]["datasetId"]) == ("1500000000", dataset)
    assert asked["query"].startswith(f"CREATE OR REPLACE TABLE `p1.{dataset}.counted` AS\nSELECT COUNT(*)")
    assert asked["queryParameters"] == [
        {"name": "x", "parameterType": {"type": "INT64"}, "parameterValue": {"value": "3"}},
    ]
    assert load["configuration"]["load"]["schema"]["fields"][1] == {"name": "words", "type": "INT64", "mode": "REPEATED"}
    assert load["configuration"]["load"]["writeDisposition"] == "WRITE_TRUNCATE"


@pytest.mark.parametrize("kind", ["503", "500", "429", "rateLimit", "lost_response", "timeout"])
@pytest.mark.parametrize("call", ["jobs.insert", "jobs.get", "datasets.insert", "datasets.get", "tables.get"])
def test_a_call_that_fails_is_made_again_and_no_statement_twice(
    bigquery: FakeBigQuery, tmp_path: Path, call: str, kind: str
) -> None:
    bigquery.faults.add(call, kind, seconds=0.1)
    do(run_of(tmp_path), COUNTED)
    assert sum(bigquery.faults.met.values()) == 1
    assert list(bigquery.runs.values()) == [1]


def test_a_job_that_fails_of_what_passes_is_followed_by_another(bigquery: FakeBigQuery, tmp_path: Path) -> None:
    bigquery.faults.add("jobs.insert", "failed", times=2)
    run = run_of(tmp_path)
    do(run, COUNTED)
    assert [(name[-2:], job.ran) for name, job in bigquery.jobs.items()] == [("-0", False), ("-1", False), ("-2", True)]
    assert [record["state"] for record in records(run)] == ["FAILED", "FAILED", "DONE"]


def test_a_job_that_goes_on_failing_ends_the_run_and_the_next_run_goes_on(bigquery: FakeBigQuery, tmp_path: Path) -> None:
    bigquery.faults.add("jobs.insert", "failed", times=service.ATTEMPTS)
    with pytest.raises(RemoteWorkError, match=r"\(counted\): Error encountered .* \(backendError\); run it again"):
        do(run_of(tmp_path), COUNTED)
    assert len(bigquery.jobs) == service.ATTEMPTS
    assert len(records(run_of(tmp_path))) == service.ATTEMPTS
    do(run_of(tmp_path), COUNTED)
    assert len(bigquery.jobs) == service.ATTEMPTS + 1


def test_a_long_job_is_yielded_and_found_again_by_its_name(
    bigquery: FakeBigQuery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_SHORT_SECONDS", 0.0)
    bigquery.faults.add("jobs.insert", "slow", seconds=0.5)
    first = next(iter(SqlPhase(run_of(tmp_path), [COUNTED]).steps()))  # the launcher is killed here
    again = next(iter(SqlPhase(run_of(tmp_path), [COUNTED]).steps()))
    assert isinstance(first, Waiting)
    assert ({**first.handle, "adopted": True}, first.output, first.kind) == (again.handle, str(tmp_path / "out"), "bigquery")
    assert json.loads(json.dumps(first.to_json()))["handle"]["name"] == "counted"
    assert not service.look(first.handle).over
    wait(first)
    assert service.look(first.handle).state == "DONE"
    do(run_of(tmp_path), COUNTED)
    assert list(bigquery.runs.values()) == [1]


def test_a_job_that_is_cancelled_is_told_and_not_started_again(
    bigquery: FakeBigQuery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_SHORT_SECONDS", 0.0)
    bigquery.faults.add("jobs.insert", "slow", seconds=30)
    waiting = next(iter(SqlPhase(run_of(tmp_path), [COUNTED]).steps()))
    service.cancel(waiting.handle)
    with pytest.raises(RemoteCancelledError, match=r"cancelled.*\(stopped\)"):
        wait(waiting)
    assert not bigquery.runs
    assert [record["state"] for record in records(run_of(tmp_path))] == ["FAILED"]
    service.cancel({**waiting.handle, "job": "none"})


def test_a_job_that_was_taken_up_while_it_was_being_cancelled_is_followed_by_another(
    bigquery: FakeBigQuery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_SHORT_SECONDS", 0.0)
    bigquery.faults.add("jobs.insert", "slow", seconds=30)
    cleared = next(iter(SqlPhase(run_of(tmp_path), [COUNTED]).steps()))
    steps = iter(SqlPhase(run_of(tmp_path), [COUNTED]).steps())
    adopted = next(steps)
    service.cancel(cleared.handle)  # the trigger of the task that was cleared comes late
    wait(adopted)
    for waiting in steps:
        wait(waiting)
    assert list(bigquery.runs.values()) == [1]
    assert sorted(record["state"] for record in records(run_of(tmp_path))) == ["DONE", "FAILED"]


def test_a_job_that_is_waited_for_here_is_cancelled_when_its_task_is_killed(
    bigquery: FakeBigQuery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_FIRST_PAUSE", 0.1)
    monkeypatch.setattr(jobs.time, "sleep", lambda seconds: cancel_all())  # as in the handler of a signal
    bigquery.faults.add("jobs.insert", "slow", seconds=30)
    with pytest.raises(RemoteCancelledError):
        do(run_of(tmp_path), COUNTED)
    assert not bigquery.runs


def test_a_job_that_is_gone_is_over_and_told(bigquery: FakeBigQuery, tmp_path: Path) -> None:
    handle = {"project": "p1", "location": "US", "job": "gone-0", "name": "x", "attempt": 0}
    assert service.look(handle).over
    with pytest.raises(RemoteWorkError, match="gone-0 is gone from project p1; run it again"):
        service.outcome(handle)


def test_what_a_job_made_and_has_expired_is_made_again(bigquery: FakeBigQuery, tmp_path: Path) -> None:
    run = run_of(tmp_path)
    do(run, LOADED, COUNTED)
    SqlPhase(run, [LOADED, COUNTED]).clean_up()
    SqlPhase(run, [LOADED, COUNTED]).clean_up()
    do(run, LOADED, COUNTED)
    assert list(bigquery.runs.values()) == [2, 2]


def test_a_table_that_is_gone_at_once_each_time_is_told_before_it_costs_more(bigquery: FakeBigQuery, tmp_path: Path) -> None:
    run = run_of(tmp_path)
    bigquery.faults.add("tables.get", "404", times=100)
    for _ in range(2):
        with pytest.raises(RemoteWorkError, match="10 times within the hour, and each time it was gone; see what deletes it"):
            do(run, COUNTED)
    assert sum(bigquery.runs.values()) == 10


def test_jobs_that_bigquery_has_forgotten_run_again(bigquery: FakeBigQuery, tmp_path: Path) -> None:
    do(run_of(tmp_path), COUNTED)
    bigquery.forget_jobs()
    do(run_of(tmp_path), COUNTED)
    assert list(bigquery.runs.values()) == [1]


@pytest.mark.parametrize(
    ("fault", "error", "told"),
    [
        ("403", ConfigError, r"\(accessDenied\); grant the account roles/bigquery.jobUser"),
        ("404", InputError, r"\(notFound\); check THREADMILL_PROJECT"),
        ("quota", RemoteWorkError, r"\(quotaExceeded\); wait for ten minutes"),
    ],
)
def test_what_is_refused_is_one_line_with_a_remedy(
    bigquery: FakeBigQuery, tmp_path: Path, fault: str, error: type[ThreadmillError], told: str
) -> None:
    bigquery.faults.add("jobs.insert", fault)
    with pytest.raises(error, match=told) as raised:
        do(run_of(tmp_path), COUNTED)
    assert "\n" not in str(raised.value)
    assert not bigquery.runs


def test_a_statement_that_is_none_fails_at_once_and_again_when_asked_again(bigquery: FakeBigQuery, tmp_path: Path) -> None:
    for number in (1, 2):
        with pytest.raises(InputError, match=r"\(wrong\): Syntax error: FAIL at \[1:1\] \(invalidQuery\)"):
            do(run_of(tmp_path), QueryJob("wrong", "FAIL"))
        assert len(bigquery.jobs) == number


def test_a_job_over_the_cap_bills_nothing_and_runs_when_the_cap_is_raised(
    bigquery: FakeBigQuery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(bigquery.backend, Memory)
    bigquery.backend.sizes = [3_000_000_000]
    for cap, refused in (("1", True), ("4", False)):
        monkeypatch.setenv("THREADMILL_BIGQUERY_MAX_GB", cap)
        get_settings.cache_clear()
        if refused:
            with pytest.raises(ConfigError, match=r"bytes billed: 1000000000\. 300\d+ .*; raise THREADMILL_BIGQUERY_MAX_GB"):
                do(run_of(tmp_path), COUNTED)
            assert not bigquery.runs
        else:
            do(run_of(tmp_path), COUNTED)
    assert list(bigquery.runs.values()) == [1]


def test_a_dataset_elsewhere_is_told(bigquery: FakeBigQuery, monkeypatch: pytest.MonkeyPatch) -> None:
    make_dataset("comments", labels={})
    make_dataset("comments", labels={})
    monkeypatch.setenv("THREADMILL_REGION", "europe-west4")
    get_settings.cache_clear()
    with pytest.raises(ConfigError, match=r"p1\.comments is in US, and jobs run in europe-west4; set THREADMILL_BIGQUERY_LOC"):
        make_dataset("comments", labels={})


def test_local_files_are_refused(bigquery: FakeBigQuery, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot load /x\.parquet; .*THREADMILL_ROOT=gs://"):
        do(run_of(tmp_path), LoadJob("loaded", ("/x.parquet",), "t", ()))


@pytest.mark.parametrize("name", ["a-b", "a`b", "", "a.b", "a b"])
def test_names_that_are_none_come_into_no_statement(bigquery: FakeBigQuery, tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="no name of a BigQuery table"):
        do(run_of(tmp_path), QueryJob("x", "SELECT 1", {}, Destination(name)))
    assert not bigquery.jobs


def test_a_service_out_of_reach_is_told(bigquery: FakeBigQuery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", "http://localhost:1")
    monkeypatch.setattr(service.RETRY, "_timeout", 0.2)
    with pytest.raises(RemoteWorkError, match="run it again"):
        do(run_of(tmp_path), COUNTED)
