"""Threads by BigQuery (bqemulator) against threads by DuckDB: equal bytes, and no statement run twice whatever fails."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.conversations.worlds import Raw, comment, make_comments
from tests.fakes.cloud_warehouse import CloudWarehouse, cloud_warehouse
from threadmill.cloud.identity import RunIdentity
from threadmill.cloud.work import wait
from threadmill.conversations import thread_tables
from threadmill.conversations.config import ThreadsConfig
from threadmill.conversations.threads import ThreadsStage
from threadmill.corpora.checks import check_comments
from threadmill.corpora.limits import CommentLimits
from threadmill.corpora.reddit.ingest import IngestStage
from threadmill.corpora.sample.writing import write_sample
from threadmill.datasets import storage
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Manifest
from threadmill.engine.run import run_stage, stage_steps
from threadmill.engine.site import Site, local_site
from threadmill.errors import RemoteWorkError
from threadmill.takedown.ledger import author_hash
from threadmill.warehouse.bigquery import jobs
from threadmill.warehouse.bigquery.client import open_client
from threadmill.warehouse.bigquery.rows import read_rows

pytestmark = pytest.mark.cloud

FEBRUARY = 1_138_752_000
_numbers = count()


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CloudWarehouse]:
    with cloud_warehouse(tmp_path_factory.mktemp("cloud")) as started:
        yield started


@pytest.fixture(autouse=True)
def clear(cloud: CloudWarehouse) -> None:
    cloud.clear()


def site(task: str) -> Site:
    return Site(RunIdentity("dag", "run", task), warehouse="bigquery", workers=1)


def both(
    cloud: CloudWarehouse, folder: Path, datasets: Sequence[str], ledger: str = "", **config: Any
) -> tuple[Manifest, Manifest, str]:
    """The manifests by DuckDB, and by BigQuery from the same comments in a bucket; and the latter's URI."""
    name = f"test{next(_numbers)}"
    local = ThreadsStage(tuple(datasets), ThreadsConfig(**config), "300MB", ledger)
    here = run_stage(local, str(folder / "threads"), name="threads", site=local_site(1))
    uploaded = tuple(cloud.upload(uri, f"{name}/comments{index}") for index, uri in enumerate(datasets))
    uri = storage.join(cloud.bucket, name, "threads")
    stage = ThreadsStage(uploaded, ThreadsConfig(**config), "300MB", ledger)
    there = run_stage(stage, uri, name="threads", site=site(name))
    return here, there, uri


def nasty_sources() -> tuple[list[Raw], list[Raw]]:
    """Two months: duplicates within and across, tombstones over originals, ids of comments and submissions alike, odd texts."""
    first = [
        comment("a", "t3_t", "t", "the original of a"),
        comment("a", "t3_t", "t", "[deleted]"),
        comment("b", "t1_a", "t", "zwei\nZeilen é 😀 漢字", created_utc=1_136_073_601),
        comment("b", "t1_a", "t", "the later b", created_utc=1_136_073_601),
        comment("c", "t1_b", "t", "", author="[deleted]", created_utc=1_136_073_601),
        comment("t", "t3_u", "u", "a comment with the id of a thread", score=None),
        comment("d", "t1_gone", "u", "x" * 5000, distinguished="moderator", is_submitter=True, score=-7),
        *(comment(f"m{number}", f"t3_l{number % 9}", f"l{number % 9}") for number in range(60)),
    ]
    second = [
        comment("a", "t3_t", "t", "[removed]", created_utc=FEBRUARY),
        comment("e", "t1_a", "t", "an answer of the next month", created_utc=FEBRUARY + 5, author="Ann"),
        comment("m3", "t3_l3", "l3", "a rescan of the month before"),
    ]
    return first, second


def test_nasty_rows_give_the_same_bytes(cloud: CloudWarehouse, tmp_path: Path) -> None:
    first, second = nasty_sources()
    datasets = [make_comments(tmp_path / "1", first[:40], first[40:]), make_comments(tmp_path / "2", second)]
    here, there, uri = both(cloud, tmp_path, datasets, month="2006-02", num_shards_train=3, num_shards_test=40)
    assert there.digest == here.digest
    assert there.counters.dropped["duplicate"] == 5
    for shard in here.shards:
        assert storage.read_bytes(storage.join(uri, shard.name)) == (tmp_path / "threads" / shard.name).read_bytes()
    assert any(not shard.records for shard in there.shards)
    assert {job["kind"] for job in there.jobs} == {"bigquery"}
    assert sum(job["measures"].get("bytes_billed", 0) for job in there.jobs) > 0


def test_the_sample_world_gives_the_same_bytes(cloud: CloudWarehouse, tmp_path: Path) -> None:
    dumps = write_sample(str(tmp_path), comments=6_000, months=2, submissions=True)
    datasets = []
    for month in ("2006-01", "2006-02"):
        datasets.append(str(tmp_path / month))
        of_month = tuple(str(path) for path in dumps if month in path.name)
        run_stage(IngestStage(of_month), datasets[-1], site=local_site(1))
    here, there, _ = both(cloud, tmp_path, datasets, month="2006-02", num_shards_train=4)
    assert there.digest == here.digest
    assert here.records > 6_000


@pytest.mark.parametrize("prefer_original", [True, False])
def test_which_duplicate_stays_is_the_same(cloud: CloudWarehouse, tmp_path: Path, prefer_original: bool) -> None:
    first, second = nasty_sources()
    datasets = [make_comments(tmp_path / "1", first), make_comments(tmp_path / "2", second)]
    here, there, _ = both(
        cloud,
        tmp_path,
        datasets,
        prefer_original=prefer_original,
        split_rule="polyai",
        train_split=1,
        validation_split=0,
        test_split=0,
    )
    assert there.digest == here.digest


def test_a_ledger_takes_down_the_same(cloud: CloudWarehouse, tmp_path: Path) -> None:
    first, second = nasty_sources()
    datasets = [make_comments(tmp_path / "1", first), make_comments(tmp_path / "2", second)]
    ledger = tmp_path / "ledger.csv"
    ledger.write_text(f"kind,value\nid,t1_d\nid,t3_t\nid,t1_none\nauthor,{author_hash('ANN')}\nauthor,{author_hash('by m7')}\n")
    here, there, _ = both(cloud, tmp_path, datasets, str(ledger), num_shards_train=2)
    assert here.counters.dropped["taken_down"] == 3
    assert there.digest == here.digest


def test_an_empty_ledger_takes_down_nothing(cloud: CloudWarehouse, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.csv"
    ledger.write_text("kind,value\n")
    here, there, _ = both(cloud, tmp_path, [make_comments(tmp_path, nasty_sources()[0])], str(ledger))
    assert there.digest == here.digest


def test_a_month_that_is_in_the_table_is_not_loaded_again(cloud: CloudWarehouse, tmp_path: Path) -> None:
    comments = make_comments(tmp_path, nasty_sources()[0])
    both(cloud, tmp_path / "once", [comments])
    before = loads(cloud)
    here, there, _ = both(cloud, tmp_path / "again", [comments])
    assert there.digest == here.digest
    assert loads(cloud) == before


def loads(cloud: CloudWarehouse) -> int:
    return sum(what.startswith("load ") for what in cloud.bigquery.runs)


def test_a_month_that_is_made_again_replaces_its_rows(cloud: CloudWarehouse, tmp_path: Path) -> None:
    first, second = nasty_sources()
    for number, raw in enumerate((first, [*first, *second])):
        comments = make_comments(tmp_path / str(number), raw)
        uri = cloud.upload(comments, "again/comments")
        local = run_stage(ThreadsStage((comments,)), str(tmp_path / f"threads{number}"), name="threads", site=local_site(1))
        there = run_stage(ThreadsStage((uri,)), storage.join(cloud.bucket, "again/threads"), name="threads", site=site("again"))
        assert there.digest == local.digest
    assert table_rows(uri) == Dataset.open(comments).manifest.records  # none of the first: what another test loaded stays its own


def table_rows(uri: str) -> int:
    """The rows of the table of comments that are of the dataset at ``uri``, of this version or an earlier one."""
    place = int(hashlib.sha256(uri.encode()).hexdigest()[:15], 16)
    batches = read_rows("threadmill-test.threadmill.comments", ("place_key",), f"place_key = {place}")
    return sum(batch.num_rows for batch in batches)


def test_rows_that_somebody_took_out_are_told_and_loaded_again(cloud: CloudWarehouse, tmp_path: Path) -> None:
    comments = make_comments(tmp_path, nasty_sources()[0])
    here, there, uri = both(cloud, tmp_path, [comments], num_shards_train=1)
    storage.remove_tree(uri)
    client = open_client()
    stage = ThreadsStage((cloud.upload(comments, "taken/comments"),), ThreadsConfig(num_shards_train=1), "300MB")
    original = thread_tables.load_comments

    def emptied(*arguments: Any) -> Iterator[Any]:
        yield from original(*arguments)
        client.query_and_wait("DELETE FROM `threadmill-test.threadmill.comments` WHERE id = 'm1'")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thread_tables, "load_comments", emptied)
        with pytest.raises(RemoteWorkError, match=r"BigQuery has 67 comments of .*, whose manifests tell 68"):
            run_stage(stage, storage.join(cloud.bucket, "taken/threads"), name="threads", site=site("taken"))
    again = run_stage(stage, storage.join(cloud.bucket, "taken/threads"), name="threads", site=site("taken"))
    assert again.digest == here.digest == there.digest


def test_rows_that_are_taken_out_after_they_were_merged_are_merged_again(cloud: CloudWarehouse, tmp_path: Path) -> None:
    comments = make_comments(tmp_path / "c", [comment(f"own{number}", "t3_own", "own") for number in range(20)])
    here = run_stage(ThreadsStage((comments,)), str(tmp_path / "threads"), name="threads", site=local_site(1))
    stage, uri = ThreadsStage((cloud.upload(comments, "merged/comments"),)), storage.join(cloud.bucket, "merged/threads")
    for _ in range(2):
        assert run_stage(stage, uri, name="threads", site=site("merged")).digest == here.digest
        storage.remove_tree(uri)
        open_client().query_and_wait("DELETE FROM `threadmill-test.threadmill.comments` WHERE STARTS_WITH(id, 'own')")
    there = check_comments(stage.comments[0], CommentLimits(), site=site("merged"))
    assert there == check_comments(comments, CommentLimits(), site=local_site())


STEPS = ["counted_", "loaded_", "merged_", "comments", "duplicates", "counted_duplicates", "threads"]
FAULTS = ["503", "rateLimit", "lost_response", "failed", "slow", "killed"]


@pytest.mark.parametrize("fault", FAULTS)
def test_each_job_meets_each_fault_and_no_statement_runs_twice(
    cloud: CloudWarehouse, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    monkeypatch.setattr(jobs, "_SHORT_SECONDS", 0.0)
    monkeypatch.setattr(jobs, "_LOOK_SECONDS", 0.1)
    comments = make_comments(tmp_path, [comment("a", "t3_t", body=f"{fault} a"), comment("a", "t3_t")])
    stage = ThreadsStage((cloud.upload(comments, f"{fault}/comments"),), ThreadsConfig(num_shards_train=1))
    local = ThreadsStage((comments,), ThreadsConfig(num_shards_train=1), "300MB")
    wanted = run_stage(local, str(tmp_path / "threads"), name="threads", site=local_site(1))
    cloud.bigquery.forget_jobs()
    kind = "slow" if fault == "killed" else fault
    for number in range(len(STEPS)):  # of each job the first insert, and not the second
        cloud.bigquery.faults.add("jobs.insert", kind, skip=0 if kind == "slow" else number, seconds=0.3)
    uri, here = storage.join(cloud.bucket, fault, "threads"), site(f"meets-{fault}")
    for step in STEPS if fault == "killed" else ():
        assert f"({step}" in start_and_be_killed(stage, uri, here, step)
    made = run_stage(stage, uri, name="threads", site=here)
    assert made.digest == wanted.digest
    assert cloud.bigquery.faults.met["bigquery.jobs.insert", kind] == len(STEPS)
    assert set(cloud.bigquery.runs.values()) == {1}
    assert len(cloud.bigquery.runs) == len(STEPS)
    attempts = Counter(name.rpartition("-")[0] for name in cloud.bigquery.jobs)  # in the order of the steps
    for step, tried in zip(STEPS, attempts.values(), strict=True):
        print(f"{step.rstrip('_'):20} {fault:15} {tried} jobs, of which 1 ran; equal digest")  # noqa: T201


def start_and_be_killed(stage: ThreadsStage, uri: str, here: Site, step: str) -> str:
    """Ends as soon as the job of ``step`` was started; what was waited for then."""
    for waiting in stage_steps(stage, uri, site=here, name="threads"):
        if f"({step}" in waiting.what:
            return waiting.what
        wait(waiting)
    return ""


def test_nothing_is_left_in_bigquery_but_the_table_of_comments(cloud: CloudWarehouse, tmp_path: Path) -> None:
    both(cloud, tmp_path, [make_comments(tmp_path, [comment("a", "t3_t")])])
    assert [dataset.dataset_id for dataset in open_client().list_datasets()] == ["threadmill"]
