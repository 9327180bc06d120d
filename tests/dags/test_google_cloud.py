"""reddit_refresh on platform gcp, by real client libraries on servers that speak as Google Cloud does: the same datasets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from airflow.models.dagrun import DagRun

from tests.dags.airflow_runs import run_dag, states
from tests.dags.road import TASKS, dataset_folders
from tests.fakes.google_cloud import GoogleCloud, google_cloud
from threadmill.datasets import storage
from threadmill.datasets.dataset import verify
from threadmill.datasets.manifest import read_manifest
from threadmill.settings import get_settings

pytestmark = pytest.mark.cloud

MONTH = "2006-01"
SMALL: dict[str, Any] = {
    "month": MONTH,
    "sample_comments": 4_000,
    "num_shards_train": 2,
    "vocab_size": 1_500,
    "max_seq_length": 32,
    "max_predictions_per_seq": 5,
    "dupe_factor": 1,
    "steps": 8,
    "batch_size": 8,
    "save_every": 4,
    "backend": "jax",
}


@pytest.fixture(scope="module")
def here(root: Path, airflow_database: None) -> dict[str, Path]:
    """The datasets of the run on this machine, by task."""
    assert run_dag(SMALL).state == "success"
    return dataset_folders(root, MONTH)


@pytest.fixture(scope="module")
def cloud(here: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoogleCloud]:
    with google_cloud(tmp_path_factory.mktemp("cloud")) as servers:
        yield servers


@pytest.fixture(scope="module")
def run(cloud: GoogleCloud) -> DagRun:
    """The same run in the cloud."""
    return run_dag(SMALL)


def there(cloud: GoogleCloud, here: dict[str, Path], task: str) -> str:
    """The URI of a task's dataset in the bucket."""
    folder = here[task]
    return storage.join(cloud.root, str(folder.relative_to(here["vocabulary"].parents[2])))


def test_the_run_ends_green(run: DagRun) -> None:
    assert states(run) == dict.fromkeys(TASKS, "success")


@pytest.mark.parametrize("task", [task for task in dataset_folders(Path(), MONTH) if task != "report"])
def test_a_dataset_is_whole_and_has_the_digest_of_the_local_one(
    run: DagRun, cloud: GoogleCloud, here: dict[str, Path], task: str
) -> None:
    uri = there(cloud, here, task)
    local, remote = read_manifest(str(here[task])).to_json(), read_manifest(uri).to_json()

    assert verify(uri) == []
    for key in ("schema", "counters", "statistics", "config", "shards", "dead_letters"):
        assert remote[key] == local[key], key
    assert remote["digest"] == local["digest"]


def test_each_service_did_its_part_and_each_job_ran_once(run: DagRun, cloud: GoogleCloud, here: dict[str, Path]) -> None:
    kinds = {
        task: {job["kind"] for job in read_manifest(there(cloud, here, task)).jobs} for task in here if task not in ("report",)
    }

    assert kinds == {
        **{key: {"dataflow"} for key in ("ingest", "conversations", "signatures", "vocabulary", "records")},
        **{key: {"bigquery", "dataflow"} for key in ("threads", "deduplicate")},
        **{key: {"tpu"} for key in ("train", "evaluate")},
        "export": set(),
    }
    names = [job.name for job in cloud.dataflow.ledger.jobs]
    assert len(names) == len(set(names))
    assert set(cloud.bigquery.runs.values()) == {1}


def test_nothing_is_left_running_or_half_done(run: DagRun, cloud: GoogleCloud) -> None:
    assert cloud.dataflow.ledger.active == []
    assert cloud.tpu.ledger.existing == []
    hidden = [name for name in cloud.storage.objects(cloud.root) if "/." in name]
    assert hidden == []


def test_a_second_run_finds_all_done(run: DagRun, cloud: GoogleCloud) -> None:
    jobs, statements = (len(cloud.dataflow.ledger.jobs), len(cloud.tpu.ledger.entries)), cloud.bigquery.runs
    assert run_dag(SMALL).state == "success"
    assert (len(cloud.dataflow.ledger.jobs), len(cloud.tpu.ledger.entries)) == jobs
    added = cloud.bigquery.runs - statements
    assert [what for what in added if "check_comments" not in what] == [], "but the checks, which each run makes anew"
    assert [what for what in added if what.startswith(("load", "MERGE"))] == [], "the table of comments is filled"


def test_the_settings_are_those_of_the_cloud(cloud: GoogleCloud) -> None:
    assert get_settings().runs_on == ("dataflow", "bigquery", "tpu")
