"""What a run has cost so far, from the statistics of its jobs, each counted once."""

import logging
from pathlib import Path
from typing import Any

import pytest

from threadmill.datasets.counters import Counters
from threadmill.datasets.digest import canonical_json
from threadmill.datasets.manifest import Manifest, write_manifest
from threadmill.errors import BudgetError
from threadmill.pricing.prices import load_prices
from threadmill.pricing.spending import dataset_uris, spent, watch_spending
from threadmill.settings import get_settings

QUERY = {"kind": "bigquery", "id": "q1", "state": "DONE", "measures": {"bytes_billed": 2.0**40, "slot_hours": 3.0}}
JOB = {
    "kind": "dataflow", "id": "j1", "state": "JOB_STATE_DONE",
    "measures": {"vcpu_hours": 10.0, "memory_gb_hours": 40.0, "disk_gb_hours": 100.0, "shuffle_gb": 0.0, "written": 7},
}  # fmt: skip
TPU = {
    "kind": "tpu", "id": "t1", "state": "DELETED",
    "measures": {"chip_hours": 8.0, "tpu_type": "v5litepod-8", "zone": "europe-west4-a", "spot": True},
}  # fmt: skip


@pytest.fixture(autouse=True)
def settings(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("THREADMILL_REGION", "us-central1")
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def finished(folder: Path, *jobs: dict[str, Any]) -> str:
    folder.mkdir(parents=True)
    write_manifest(str(folder), Manifest(folder.name, "made", 1, {}, (), (), (), Counters(), jobs=jobs))
    return str(folder)


def under_way(folder: Path, *jobs: dict[str, Any]) -> str:
    jobs_folder = folder / ".jobs"
    jobs_folder.mkdir(parents=True)
    for job in jobs:
        (jobs_folder / f"{job['kind']}-{job['id']}.json").write_bytes(canonical_json(job))
    return str(folder)


def test_jobs_of_finished_datasets_and_of_those_under_way_are_priced(tmp_path: Path) -> None:
    uris = [finished(tmp_path / "threads", QUERY), under_way(tmp_path / "conversations", JOB), str(tmp_path / "model")]
    found = spent(uris)
    assert {(line.stage, line.item): round(line.cost, 6) for line in found.lines} == {
        ("threads", "BigQuery queries"): 6.25,
        ("conversations", "Dataflow vCPUs"): 0.56,
        ("conversations", "Dataflow memory"): 0.14228,
        ("conversations", "Dataflow disks"): 0.0054,
        ("conversations", "Dataflow Shuffle"): 0.0,
    }
    assert found.total == pytest.approx(6.25 + 0.56 + 0.14228 + 0.0054)


def test_chips_are_priced_by_type_zone_and_spot(tmp_path: Path) -> None:
    steady = {**TPU, "id": "t2", "measures": {**TPU["measures"], "spot": "false", "zone": "us-central1-a"}}
    vertex = {**TPU, "kind": "vertex", "id": "v1", "measures": {"chip_hours": 2.0, "tpu_type": "ct5lp-hightpu-8t"}}
    found = spent([finished(tmp_path / "model", TPU, steady, vertex)])
    assert [(line.item, line.price.value) for line in found.lines] == [
        ("Cloud TPU v5e spot", 0.78), ("Cloud TPU v5e", 1.20), ("Vertex AI TPU v5e", 1.38)
    ]  # fmt: skip


def test_a_job_that_is_noted_twice_is_counted_once_and_those_of_phases_too(tmp_path: Path) -> None:
    both = under_way(tmp_path / "records", QUERY, JOB)
    under_way(tmp_path / "records" / ".phases" / "tokens", TPU)
    finished(tmp_path / "records" / ".phases" / "rows", {**QUERY, "id": "q2"})
    found = spent([both, both])
    assert sorted({line.note for line in found.lines}) == ["bigquery q1", "bigquery q2", "dataflow j1", "tpu t1"]
    assert len([line for line in found.lines if line.item == "BigQuery queries"]) == 2


def test_a_job_without_statistics_is_named_not_taken_for_free(tmp_path: Path) -> None:
    found = spent([finished(tmp_path / "model", {**TPU, "measures": {}}, {**QUERY, "measures": {"rows": 1}})])
    assert found.lines == ()
    assert found.unpriced == ("tpu t1", "bigquery q1")


def test_flexible_resources_are_told_by_the_job(tmp_path: Path) -> None:
    found = spent([finished(tmp_path / "threads", {**JOB, "measures": {"vcpu_hours": 10.0, "flexrs": "true"}})])
    assert found.total == pytest.approx(0.336)


def test_another_price_list_prices_the_same_jobs(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text("[bigquery.query]\ndefault = 1\n")
    found = spent([finished(tmp_path / "threads", QUERY)], load_prices(str(tmp_path / "ours.toml")))
    assert found.total == 1


def test_a_vertex_job_has_the_price_of_its_region(tmp_path: Path) -> None:
    (tmp_path / "ours.toml").write_text('[vertex.v5e]\nregions = {"us-west4" = 3}\n')
    measures = {"chip_hours": 1.0, "tpu_type": "ct5lp-hightpu-8t", "zone": "us-west4"}
    job = {"kind": "vertex", "id": "v1", "state": "finished", "measures": measures}
    assert spent([finished(tmp_path / "model", job)], load_prices(str(tmp_path / "ours.toml"))).total == 3


def test_a_run_that_has_spent_its_budget_is_stopped_with_the_remedy(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    finished(tmp_path / "threads", QUERY)
    uris = dataset_uris(str(tmp_path))
    assert uris == [str(tmp_path / "threads")]
    with caplog.at_level(logging.INFO):
        assert watch_spending(uris, 10, before="conversations").total == 6.25
        assert watch_spending(uris, 0, before="conversations").total == 6.25
    assert "spent so far: $6.25 of $10.00" in caplog.text
    with pytest.raises(BudgetError, match=r"spent \$6.25.*budget is \$6.00: conversations is not started.*clear this task"):
        watch_spending(uris, 6, before="conversations")
    assert watch_spending([], 1, before="ingest").total == 0
