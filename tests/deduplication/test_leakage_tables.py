"""Near-duplicates across the splits by BigQuery (bqemulator): the number of one machine, and nothing left but it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deduplication.made import example, write
from tests.deduplication.test_leakage import TEXT, leaking
from tests.fakes.cloud_warehouse import CloudWarehouse, cloud_warehouse
from threadmill.cloud.identity import RunIdentity
from threadmill.cloud.work import finish, wait
from threadmill.conversations.checks import check_conversations
from threadmill.conversations.limits import ConversationLimits
from threadmill.deduplication.config import DeduplicationConfig
from threadmill.deduplication.leakage import cross_split_duplicates
from threadmill.engine.site import Site, local_site
from threadmill.warehouse.bigquery import jobs
from threadmill.warehouse.bigquery.client import open_client

pytestmark = pytest.mark.cloud

SITE = Site(RunIdentity("dag", "run", "check"), warehouse="bigquery", workers=1)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudWarehouse]:
    with cloud_warehouse(tmp_path_factory.mktemp("cloud")) as started:
        yield started


def left_in_bigquery() -> list[str]:
    return [dataset.dataset_id for dataset in open_client().list_datasets()]


@pytest.mark.parametrize("kind", ["near", "exact"])
def test_the_number_is_that_of_one_machine(kind: str, cloud: CloudWarehouse, tmp_path: Path) -> None:
    config, here = DeduplicationConfig(deduplication=kind), leaking(tmp_path / "c")
    there = cloud.upload(here, f"leaking-{kind}")
    before = cloud.storage.objects(there)
    assert finish(cross_split_duplicates(there, config, "300MB", site=SITE)) == 2
    assert finish(cross_split_duplicates(here, config, "300MB")) == 2
    assert cloud.storage.objects(there) == before
    assert left_in_bigquery() == []


def test_the_checks_are_those_of_one_machine(cloud: CloudWarehouse, tmp_path: Path) -> None:
    here, limits = leaking(tmp_path / "c"), ConversationLimits(max_near_duplicates=1)
    there = cloud.upload(here, "checked")
    checks = check_conversations(there, limits, site=SITE)
    assert checks == check_conversations(here, limits, site=local_site())
    assert "near-duplicates across splits" in [check.measure for check in checks if check.failed]


def test_without_train_nothing_is_asked(cloud: CloudWarehouse, tmp_path: Path) -> None:
    there = cloud.upload(write(tmp_path, {"test": [[example("a", 5, TEXT), example("b", 5, TEXT)]]}), "test-only")
    cloud.bigquery.forget_jobs()
    assert finish(cross_split_duplicates(there, DeduplicationConfig(), "300MB", site=SITE)) == 0
    assert not cloud.bigquery.jobs


def test_steps_that_are_taken_up_again_run_nothing_twice(
    cloud: CloudWarehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_SHORT_SECONDS", 0.0)
    monkeypatch.setattr(jobs, "_LOOK_SECONDS", 0.1)
    there = cloud.upload(leaking(tmp_path), "again")
    cloud.bigquery.forget_jobs()
    cloud.bigquery.faults.add("jobs.insert", "slow", skip=3, seconds=0.5)
    for waiting in cross_split_duplicates(there, DeduplicationConfig(), "300MB", site=SITE):
        if "(cross_split_duplicates)" in waiting.what:
            break
        wait(waiting)
    assert waiting.handle["job"] in cloud.bigquery.jobs
    assert finish(cross_split_duplicates(there, DeduplicationConfig(), "300MB", site=SITE)) == 2
    assert set(cloud.bigquery.runs.values()) == {1}
