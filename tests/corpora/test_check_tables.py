"""The checks of comments by BigQuery (bqemulator) against those by DuckDB: equal values and verdicts."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conversations.worlds import comment, make_comments
from tests.fakes.cloud_warehouse import CloudWarehouse, cloud_warehouse
from threadmill.cloud.identity import RunIdentity
from threadmill.cloud.work import wait
from threadmill.corpora.checks import check_comments, comment_check_steps
from threadmill.corpora.limits import CommentLimits
from threadmill.datasets import storage
from threadmill.engine.site import Site, local_site
from threadmill.warehouse.bigquery import jobs
from threadmill.warehouse.bigquery.client import open_client

pytestmark = pytest.mark.cloud

SITE = Site(RunIdentity("dag", "run", "check"), warehouse="bigquery")
DAY = 86_400
JANUARY = 1_136_073_600


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudWarehouse]:
    with cloud_warehouse(tmp_path_factory.mktemp("cloud")) as started:
        yield started


def two_months(folder: Path) -> tuple[str, str]:
    """December, and January with duplicates, tombstones, missing fields and a comment of another month."""
    before = [comment(f"d{day}", "t3_t", created_utc=JANUARY - DAY * (31 - day)) for day in range(31)]
    now = [comment(f"j{day}", "t3_t", created_utc=JANUARY + DAY * day) for day in range(31) if day not in (7, 9)]
    now += [comment("j1", "t3_t", body="[deleted]"), comment("x", "t1_j1", author=None), comment("y", "t3_t", body="[removed]")]
    now += [comment("z", "t3_t", created_utc=JANUARY + 40 * DAY)]
    return make_comments(folder / "now", now), make_comments(folder / "before", before)


def test_the_checks_are_the_same(cloud: CloudWarehouse, tmp_path: Path) -> None:
    uri, previous = two_months(tmp_path)
    limits = CommentLimits(month="2006-01", max_null_rate=0.01)
    here = check_comments(uri, limits, previous=previous, site=local_site())
    there_uri, there_previous = cloud.upload(uri, "now"), cloud.upload(previous, "before")
    there = check_comments(there_uri, limits, previous=there_previous, site=SITE)
    assert there == here
    assert len([check for check in there if check.failed]) >= 2
    assert check_comments(there_uri, limits, site=SITE) == check_comments(uri, limits, site=local_site())
    assert [dataset.dataset_id for dataset in open_client().list_datasets()] == ["threadmill"]
    assert not storage.exists(storage.join(there_uri, ".jobs"))


def test_steps_that_are_taken_up_again_run_nothing_twice(
    cloud: CloudWarehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "_SHORT_SECONDS", 0.0)
    monkeypatch.setattr(jobs, "_LOOK_SECONDS", 0.1)
    uri = cloud.upload(make_comments(tmp_path, [comment("once", "t3_once", "once")]), "once")
    cloud.bigquery.forget_jobs()
    cloud.bigquery.faults.add("jobs.insert", "slow", skip=4, seconds=0.5)
    for waiting in comment_check_steps(uri, CommentLimits(), site=SITE):
        if "(comment_days)" in waiting.what:
            break
        wait(waiting)
    assert waiting.handle["job"] in cloud.bigquery.jobs
    checks = check_comments(uri, CommentLimits(), site=SITE)
    assert {check.measure: check.value for check in checks}["comments"] == "2"
    assert set(cloud.bigquery.runs.values()) == {1}
