"""Deduplication by BigQuery (bqemulator) against DuckDB: equal digests, and no statement run twice whatever fails."""

from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.deduplication.made import Example, example, write
from tests.deduplication.test_deduplicate import NEAR, TEXT, splits_of, world
from tests.fakes.cloud_warehouse import CloudWarehouse, cloud_warehouse
from threadmill.cloud.identity import RunIdentity
from threadmill.cloud.work import Waiting
from threadmill.datasets import storage
from threadmill.datasets.manifest import Manifest, find_manifest
from threadmill.deduplication.config import DeduplicationConfig
from threadmill.deduplication.deduplicate import DeduplicateStage
from threadmill.deduplication.signatures import SignaturesStage
from threadmill.engine.run import run_stage, stage_steps
from threadmill.engine.site import Site, local_site
from threadmill.errors import ConfigError
from threadmill.warehouse.bigquery import jobs
from threadmill.warehouse.bigquery.client import open_client

pytestmark = pytest.mark.cloud
_numbers = count()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudWarehouse]:
    with cloud_warehouse(tmp_path_factory.mktemp("cloud")) as started:
        yield started


@pytest.fixture(autouse=True)
def quick(cloud: CloudWarehouse, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud.clear()
    cloud.bigquery.forget_jobs()
    monkeypatch.setattr(jobs, "_LOOK_SECONDS", 0.05)


class Months:
    """Months of conversations with their signatures, on this machine and in the bucket."""

    def __init__(self, cloud: CloudWarehouse, folder: Path, months: Sequence[Any], config: DeduplicationConfig) -> None:
        self.name, self.folder, self.config, self.bucket = f"test{next(_numbers)}", folder, config, cloud.bucket
        for number, splits in enumerate(months):
            conversations = write(folder / f"{number}" / "conversations", splits, "jsonl" if number % 2 else "tfrecord")
            run_stage(SignaturesStage(conversations, config), str(folder / f"{number}" / "signatures"), site=local_site(1))
        cloud.upload(folder, self.name)
        self.count = len(months)

    def stage(self, month: int, root: str) -> DeduplicateStage:
        signatures = [storage.join(root, str(number), "signatures") for number in range(self.count)]
        conversations = storage.join(root, str(month), "conversations")
        return DeduplicateStage(conversations, signatures[month], tuple(signatures), self.config, "300MB")

    def here(self, month: int = 0) -> Manifest:
        return run_stage(self.stage(month, str(self.folder)), str(self.folder / "out"), name="deduplicated", site=local_site(1))

    @property
    def output(self) -> str:
        return storage.join(self.bucket, self.name, "deduplicated")

    def there(self, month: int = 0) -> Manifest:
        stage = self.stage(month, storage.join(self.bucket, self.name))
        return run_stage(stage, self.output, name="deduplicated", site=self.site)

    @property
    def site(self) -> Site:
        return Site(RunIdentity("dag", "run", self.name), warehouse="bigquery", workers=1)


def months_of(cloud: CloudWarehouse, folder: Path, examples: Sequence[Sequence[Example]], **config: Any) -> Months:
    return Months(cloud, folder, [splits_of(month) for month in examples], DeduplicationConfig(**config))


@pytest.mark.parametrize(("month", "mode"), [(0, "near"), (1, "near"), (2, "exact")])
def test_the_same_examples_go_and_the_digest_is_equal(cloud: CloudWarehouse, tmp_path: Path, month: int, mode: str) -> None:
    months = months_of(cloud, tmp_path, world(5, 300, 3), deduplication=mode)
    here, there = months.here(month), months.there(month)
    assert there.digest == here.digest
    assert sum(here.counters.dropped.values()) > (5 if mode == "near" else 0)
    assert sorted({job["kind"] for job in there.jobs}) == ["bigquery"]
    assert [name for name in storage.list_names(months.output) if name.startswith(".")] == []
    assert [found.dataset_id for found in open_client().list_datasets() if "scratch" in found.dataset_id] == []


def test_copies_whose_keys_are_least_and_greatest_and_shards_without_any(cloud: CloudWarehouse, tmp_path: Path) -> None:
    copies = [example(name, 7, TEXT) for name in ("é", "Z", "a", "10", "9")]
    alone = [example("alone", 1, "a text like no other in this world")]
    splits = {"train": [copies[:3], alone, []], "validation": [copies[3:]], "test": [[example("n", 9, NEAR)]]}
    months = Months(cloud, tmp_path, [splits, {"train": [[example("A", 6, "")]]}], DeduplicationConfig())
    here, there = months.here(), months.there()
    assert there.digest == here.digest
    assert there.counters.dropped == {"exact_duplicate": 4, "near_duplicate": 1}
    assert [shard.records for shard in there.shards] == [0, 1, 0, 1, 0]


@pytest.mark.parametrize(
    ("call", "kind", "times"),
    [
        ("bigquery.jobs.insert", "503", 2),
        ("bigquery.jobs.insert", "lost_response", 2),
        ("bigquery.jobs.insert", "failed", 3),
        ("bigquery.jobs.get", "503", 3),
        ("bigquery.tables.get", "lost_response", 1),
        ("bigquery.datasets.delete", "503", 1),
    ],
)
def test_faults_that_pass_cost_no_second_run(cloud: CloudWarehouse, tmp_path: Path, call: str, kind: str, times: int) -> None:
    months = months_of(cloud, tmp_path, world(6, 60, 2))
    cloud.bigquery.faults.add(call, kind, times=times)
    assert months.there().digest == months.here().digest
    assert cloud.bigquery.faults.met[call, kind] == times
    assert sorted(cloud.bigquery.runs.values()) == [1] * 5


def test_a_killed_run_is_taken_up_where_it_was(cloud: CloudWarehouse, tmp_path: Path) -> None:
    months = months_of(cloud, tmp_path, world(7, 60, 2))
    for number in range(3):
        cloud.bigquery.faults.add("bigquery.jobs.insert", "slow", seconds=4.0, skip=0 if number else 1)
        steps = stage_steps(months.stage(0, storage.join(cloud.bucket, months.name)), months.output, site=months.site)
        assert isinstance(next(steps), Waiting)
        steps.close()
        assert find_manifest(months.output) is None
    assert months.there().digest == months.here().digest
    assert sorted(cloud.bigquery.runs.values()) == [1] * 5


def test_local_signatures_are_refused_in_one_line(tmp_path: Path, cloud: CloudWarehouse) -> None:
    months = months_of(cloud, tmp_path, world(8, 30, 1))
    with pytest.raises(ConfigError, match=r"cannot load .*gs://") as caught:
        run_stage(months.stage(0, str(tmp_path)), str(tmp_path / "out"), site=months.site)
    assert "\n" not in str(caught.value)
