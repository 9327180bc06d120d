"""The tables stage over BigQuery (bqemulator), against the same rows in DuckDB."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from google.cloud import bigquery

from tests.corpora.reddit.exports import comment
from tests.corpora.reddit.test_tables import JUNE, MAY, database, drifting_rows
from tests.fakes.bigquery import FakeBigQuery
from tests.fakes.cloud_warehouse import CloudWarehouse, cloud_warehouse
from threadmill.cloud.identity import RunIdentity
from threadmill.cloud.work import Waiting
from threadmill.corpora.reddit import tables_sql
from threadmill.corpora.reddit.config import TablesConfig
from threadmill.corpora.reddit.tables import TablesStage
from threadmill.corpora.reddit.tables_estimate import estimate_bytes
from threadmill.datasets.dataset import verify
from threadmill.datasets.manifest import Manifest, find_manifest
from threadmill.engine.run import run_stage, stage_steps
from threadmill.engine.site import Site
from threadmill.errors import ConfigError, InputError, RemoteCancelledError, RemoteWorkError, ThreadmillError
from threadmill.settings import get_settings
from threadmill.takedown.ledger import author_hash
from threadmill.warehouse.bigquery import jobs
from threadmill.warehouse.bigquery.client import open_client

pytestmark = pytest.mark.cloud

SOURCE = "bigquery:fh-bigquery"
TYPES = {pl.String: "STRING", pl.Int64: "INT64", pl.Float64: "FLOAT64", pl.Boolean: "BOOL", pl.Null: "STRING"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of Cloud Storage's buckets."""
    return tmp_path_factory.mktemp("buckets")


@pytest.fixture(scope="module")
def cloud(store: Path) -> Iterator[CloudWarehouse]:
    with cloud_warehouse(store) as started:
        yield started


@pytest.fixture
def warehouse(cloud: CloudWarehouse, monkeypatch: pytest.MonkeyPatch) -> FakeBigQuery:
    """BigQuery without jobs, and without tables of others."""
    cloud.clear()
    cloud.bigquery.forget_jobs()
    monkeypatch.setattr(jobs, "_LOOK_SECONDS", 0.05)
    client = open_client()
    for name in ("threadmill-test.staging", "fh-bigquery.reddit_comments"):
        client.delete_dataset(name, delete_contents=True, not_found_ok=True)
        dataset = bigquery.Dataset(name)
        dataset.location = "US"
        client.create_dataset(dataset)
    return cloud.bigquery


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def fill(store: Path, tables: Mapping[str, Sequence[dict[str, Any]] | pl.DataFrame]) -> None:
    """Makes tables of the public project."""
    client = open_client()
    for name, rows in tables.items():
        frame = rows if isinstance(rows, pl.DataFrame) else pl.DataFrame(rows, infer_schema_length=None)
        frame = frame.with_columns(pl.col(pl.Null).cast(pl.String))
        frame.write_parquet(store / "bucket" / f"{name}.parquet")
        schema = [bigquery.SchemaField(column, TYPES[type(kind)]) for column, kind in frame.schema.items()]
        config = bigquery.LoadJobConfig(schema=schema, source_format="PARQUET", write_disposition="WRITE_TRUNCATE")
        client.load_table_from_uri(f"gs://bucket/{name}.parquet", f"threadmill-test.staging.t{name}", job_config=config).result()
        client.query(
            f"CREATE OR REPLACE TABLE `fh-bigquery.reddit_comments.{name}` AS SELECT * FROM `threadmill-test.staging.t{name}`"
        ).result()


def site(run_id: str = "run") -> Site:
    return Site(RunIdentity("dag", run_id, "ingest"), workers=1)


def tables(folder: Path, source: str, ledger: str = "", run_id: str = "run", **config: Any) -> Manifest:
    stage = TablesStage(source, TablesConfig(**{"max_bad_fraction": 1.0, **config}), "300MB", ledger)
    return run_stage(stage, str(folder), site=site(run_id), name="comments")


def content(manifest: Manifest) -> dict[str, Any]:
    """All that does not tell where the rows lay."""
    value = manifest.to_json()
    return {name: value[name] for name in ("shards", "dead_letters", "counters", "statistics", "schema", "config", "version")}


def both(folder: Path, store: Path, rows: Mapping[str, Any], ledger: str = "", **config: Any) -> tuple[Manifest, Manifest]:
    fill(store, rows)
    frames: dict[str, Any] = {name: pl.DataFrame(given, infer_schema_length=None) for name, given in rows.items()}
    here = tables(folder / "duckdb", database(folder / "x.duckdb", frames), ledger, **config)
    there = tables(folder / "bigquery", SOURCE, ledger, **config)
    assert content(there) == content(here)
    assert verify(str(folder / "bigquery")) == []
    return here, there


def truly_run(server: FakeBigQuery) -> list[int]:
    """How often each statement of the stage ran."""
    return [times for what, times in server.runs.items() if "staging" not in what]


def scratch_datasets() -> list[str]:
    return [found.dataset_id for found in open_client().list_datasets() if found.dataset_id.startswith("threadmill")]


def nasty_tables() -> dict[str, list[dict[str, Any]]]:
    june = [
        {**row, "created_utc": str(JUNE + 5 * number), "body": None if number % 5 == 4 else f"no. {number}"}
        for number, row in enumerate(drifting_rows()[:23])
    ]
    return {"2015_05": drifting_rows(), "2015_06": june, "all_of_it": drifting_rows()[:2]}


def test_shards_dead_letters_and_counts_are_those_of_duckdb(warehouse: FakeBigQuery, store: Path, tmp_path: Path) -> None:
    here, there = both(tmp_path, store, nasty_tables(), shard_rows=7)
    assert len([shard for shard in there.shards if shard.name.startswith("2015_05")]) > 5
    assert len(there.counters.dropped) == 9
    assert [entry.name for entry in there.inputs] == ["reddit_comments.2015_05", "reddit_comments.2015_06"]
    assert there.inputs[0].uri == "bigquery://fh-bigquery/reddit_comments/2015_05"
    assert {entry.digest for entry in there.inputs}.isdisjoint(entry.digest for entry in here.inputs)
    assert [job["state"] for job in there.jobs] == ["DONE"] * 6
    assert scratch_datasets() == []


def test_a_ledger_takes_out_the_same_and_shards_stay_full(warehouse: FakeBigQuery, store: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.csv"
    rows = [
        comment(id=f"{n:x}", created_utc=MAY + n // 3, author=f"Ünï{n % 7}", body=None if n % 11 == 0 else "é")
        for n in range(200)
    ]
    rows += [comment(id="c8", body=None, title="t", selftext=None, created_utc=MAY + 99, link_id=None)]
    ledger.write_text(f"kind,value\nid,t1_5\nid,t1_7\nid,t3_c8\nauthor,{author_hash('üNÏ3')}\n")
    _, there = both(
        tmp_path, store, {"2015_05": [{"title": None, "selftext": None, **row} for row in rows]}, str(ledger), shard_rows=20
    )
    assert there.counters.dropped["taken_down"] == 30
    assert [shard.records for shard in there.shards[:-1]] == [20] * (len(there.shards) - 1)
    letters = (tmp_path / "bigquery" / there.dead_letters[0].name).read_text().splitlines()
    assert len(letters) == there.counters.dropped["no body"] == 19
    assert all('"text":""' in letter for letter in letters)


def test_a_ledger_is_loaded_where_the_output_is_in_a_bucket(
    warehouse: FakeBigQuery, cloud: CloudWarehouse, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = {"2015_05": [comment(id=f"c{number}", author=f"A{number % 4}", created_utc=MAY + number) for number in range(30)]}
    ledger = tmp_path / "ledger.csv"
    ledger.write_text(f"kind,value\nid,c5\nauthor,{author_hash('a2')}\n")
    here, there = both(tmp_path, store, rows, str(ledger), shard_rows=9)
    monkeypatch.setattr(tables_sql, "_MOST_BOUND", 1)
    with pytest.raises(ConfigError, match=r"the ledger has 2 entries, .* name an output in gs://"):
        tables(tmp_path / "other", SOURCE, str(ledger), shard_rows=9)
    stage = TablesStage(SOURCE, TablesConfig(max_bad_fraction=1.0, shard_rows=9), "300MB", str(ledger))
    in_bucket = run_stage(stage, f"{cloud.bucket}/comments", site=site(), name="comments")
    assert content(in_bucket) == content(here)
    assert in_bucket.digest == there.digest
    assert here.counters.dropped == {"taken_down": 8}


def test_shards_of_many_row_groups_are_byte_for_byte_the_same(warehouse: FakeBigQuery, store: Path, tmp_path: Path) -> None:
    count, draw = 150_000, pl.int_range(150_000)
    frame = pl.select(
        id=pl.format("c{}", draw),
        link_id=pl.format("t3_{}", draw // 9),
        parent_id=pl.format("t1_c{}", draw - 1),
        author=pl.format("a{}", draw.hash(1) % 100),
        body=pl.format("text {}", draw.hash(2) % 1000),
        created_utc=MAY + draw.hash(3).cast(pl.Int64, wrap_numerical=True).abs() % 2_678_400,
    )
    ledger = tmp_path / "ledger.csv"
    ledger.write_text(f"kind,value\nauthor,{author_hash('a7')}\n")
    _, there = both(tmp_path, store, {"2015_05": frame}, str(ledger), shard_rows=100_000)
    assert 1000 < there.counters.dropped["taken_down"] < 2000
    assert there.counters.read == count
    groups = [pl.scan_parquet(tmp_path / "bigquery" / shard.name).collect().height for shard in there.shards]
    assert groups == [100_000, there.counters.kept - 100_000]


def test_columns_come_in_other_types_and_some_not_at_all(warehouse: FakeBigQuery, store: Path, tmp_path: Path) -> None:
    row = {"created_utc": MAY + 7.9, "body": "text", "parent_id": 33287847232.0, "link_id": "17863", "id": "a", "score": 2.0}
    other = {"created_utc": MAY + 8.0, "body": None, "parent_id": None, "link_id": "t3_x", "id": "b", "score": -1.5}
    rows = [{**row, "is_submitter": True}, {**other, "is_submitter": None}]
    both(tmp_path, store, {"2015_05": rows})
    found = pl.read_parquet(tmp_path / "bigquery" / "*.parquet")
    assert found["parent_id"].to_list() == ["faiq3b4"]


def test_an_empty_table_is_no_fault_beside_a_full_one(warehouse: FakeBigQuery, store: Path, tmp_path: Path) -> None:
    full = pl.DataFrame([comment(created_utc=MAY)])
    both(tmp_path, store, {"2015_05": full, "2015_06": full.clear(), "2015_07": full.with_columns(id=pl.lit("C1"))})


@pytest.mark.parametrize(
    ("call", "kind", "times"),
    [
        ("bigquery.jobs.insert", "503", 2),
        ("bigquery.jobs.insert", "lost_response", 1),
        ("bigquery.jobs.insert", "failed", 2),
        ("bigquery.jobs.get", "503", 2),
        ("bigquery.jobs.get", "lost_response", 1),
        ("bigquery.datasets.insert", "lost_response", 1),
        ("bigquery.datasets.get", "429", 1),
        ("bigquery.tables.get", "500", 2),
        ("bigquery.tables.list", "503", 1),
        ("bigquery.datasets.delete", "503", 1),
    ],
)
def test_faults_that_pass_cost_no_second_run(
    warehouse: FakeBigQuery, store: Path, tmp_path: Path, call: str, kind: str, times: int
) -> None:
    rows = {"2015_05": [comment(id=f"c{number}", created_utc=MAY + number) for number in range(5)]}
    fill(store, rows)
    here = tables(tmp_path / "duckdb", database(tmp_path / "x.duckdb", rows))
    warehouse.faults.add(call, kind, times=times)
    there = tables(tmp_path / "bigquery", SOURCE)
    assert content(there) == content(here)
    assert warehouse.faults.met[call, kind] == times
    assert truly_run(warehouse) == [1, 1, 1]
    assert scratch_datasets() == []


def test_a_killed_run_is_taken_up_where_it_was(warehouse: FakeBigQuery, store: Path, tmp_path: Path) -> None:
    rows = nasty_tables()
    fill(store, rows)
    here = tables(tmp_path / "duckdb", database(tmp_path / "x.duckdb", rows), shard_rows=7)
    stage = TablesStage(SOURCE, TablesConfig(max_bad_fraction=1.0, shard_rows=7))
    for begun in range(3):  # slower than what is waited for in the process, so that the run yields and is abandoned
        warehouse.faults.add("bigquery.jobs.insert", "slow", seconds=4.0, skip=0)
        steps = stage_steps(stage, str(tmp_path / "bigquery"), site=site(), name="comments")
        waiting = next(steps)
        assert isinstance(waiting, Waiting)
        steps.close()
        assert find_manifest(str(tmp_path / "bigquery")) is None, begun
    there = tables(tmp_path / "bigquery", SOURCE, shard_rows=7)
    assert content(there) == content(here)
    assert set(truly_run(warehouse)) == {1}


def test_a_worker_that_dies_leaves_the_other_shards_done(
    warehouse: FakeBigQuery, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from threadmill.corpora.reddit import tables_phase

    rows = {"2015_05": [comment(id=f"c{number}", created_utc=MAY + number) for number in range(20)]}
    fill(store, rows)
    here = tables(tmp_path / "duckdb", database(tmp_path / "x.duckdb", rows), shard_rows=5)
    whole, calls = tables_phase._read, []

    def failing(table: str, columns: Sequence[str], shard: int, rows: int | None = None) -> pl.DataFrame:
        calls.append(shard)
        if calls.count(2) == 1 and shard == 2:
            raise RemoteWorkError("the stream broke")
        return whole(table, columns, shard, rows)

    monkeypatch.setattr(tables_phase, "_read", failing)
    with pytest.raises(RemoteWorkError, match="the stream broke"):
        tables(tmp_path / "bigquery", SOURCE, shard_rows=5)
    assert find_manifest(str(tmp_path / "bigquery")) is None
    there = tables(tmp_path / "bigquery", SOURCE, shard_rows=5)
    assert content(there) == content(here)
    assert calls == [0, 1, 2, 2, 3]
    assert truly_run(warehouse) == [1, 1, 1]


def test_rows_that_do_not_come_fail_the_task(
    warehouse: FakeBigQuery, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from threadmill.warehouse.bigquery import rows as reading

    fill(store, {"2015_05": [comment(id=f"c{number}", created_utc=MAY + number) for number in range(9)]})
    given = reading.read_rows
    monkeypatch.setattr(reading, "read_rows", lambda *arguments: (batch.slice(1) for batch in given(*arguments)))
    with pytest.raises(
        RemoteWorkError, match=r"BigQuery gave 8 rows of table threadmill-test\..*\.comments_0 where 9 are; run it again"
    ):
        tables(tmp_path / "bigquery", SOURCE)
    assert find_manifest(str(tmp_path / "bigquery")) is None


def test_a_table_that_changes_has_jobs_of_its_own_and_is_not_mixed(warehouse: FakeBigQuery, store: Path, tmp_path: Path) -> None:
    fill(store, {"2015_05": [comment(created_utc=MAY)]})
    first = tables(tmp_path / "bigquery", SOURCE)
    fill(store, {"2015_05": [comment(created_utc=MAY), comment(id="c2", created_utc=MAY + 1)]})
    second = tables(tmp_path / "bigquery", SOURCE)
    assert (first.counters.kept, second.counters.kept) == (1, 2)
    assert first.inputs[0].digest != second.inputs[0].digest
    assert tables(tmp_path / "bigquery", SOURCE).created_at == second.created_at  # up to date


@pytest.mark.parametrize(
    ("kind", "error"),
    [("cancelled", RemoteCancelledError), ("quota", RemoteWorkError), ("403", ConfigError)],
)
def test_what_does_not_pass_is_one_line_and_leaves_no_dataset(
    warehouse: FakeBigQuery, store: Path, tmp_path: Path, kind: str, error: type[ThreadmillError]
) -> None:
    fill(store, {"2015_05": [comment(created_utc=MAY)]})
    warehouse.faults.add("bigquery.jobs.insert", kind)
    with pytest.raises(error) as caught:
        tables(tmp_path / "bigquery", SOURCE)
    assert "\n" not in str(caught.value)
    assert find_manifest(str(tmp_path / "bigquery")) is None


@pytest.mark.parametrize(
    ("source", "config", "message"),
    [
        (SOURCE, {"pattern": "^2016_"}, r"bigquery:fh-bigquery is named \^2016_ \(there is 2015_05, bad, seen\)"),
        (SOURCE, {"dataset": "other"}, r"BigQuery, dataset fh-bigquery\.other: .*"),
        (SOURCE, {"pattern": "bad"}, r"table reddit_comments\.bad in bigquery:fh-bigquery has no column id or link_id or body"),
        (SOURCE, {"pattern": "seen"}, r"table fh-bigquery\.reddit_comments\.seen is of the kind VIEW"),
        ("bigquery:", {}, r"'bigquery:' names no project of Google Cloud; write it as bigquery:fh-bigquery"),
        ("bigquery:No Project", {}, r"names no project"),
    ],
)  # fmt: skip
def test_tables_that_cannot_be_are_told_with_what_there_is(
    warehouse: FakeBigQuery, store: Path, tmp_path: Path, source: str, config: dict[str, str], message: str
) -> None:
    fill(store, {"2015_05": [comment(created_utc=MAY)], "bad": [{"created_utc": MAY}]})
    view = "CREATE VIEW `fh-bigquery.reddit_comments.seen` AS SELECT * FROM `threadmill-test.staging.t2015_05`"
    open_client().query(view).result()
    with pytest.raises((InputError, ConfigError), match=message) as caught:
        tables(tmp_path / "comments", source, **config)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "comments").exists()


def test_tables_elsewhere_than_our_jobs_are_told_with_the_setting(
    warehouse: FakeBigQuery, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("THREADMILL_BIGQUERY_LOCATION", "europe-west4")
    get_settings.cache_clear()
    with pytest.raises(ConfigError, match=r"fh-bigquery\.reddit_comments is in US, .* set THREADMILL_BIGQUERY_LOCATION=US"):
        tables(tmp_path / "comments", SOURCE)


def test_a_byte_cap_stops_the_stage_before_it_costs(
    warehouse: FakeBigQuery, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(store, {"2015_05": [comment(created_utc=MAY)]})
    monkeypatch.setenv("THREADMILL_BIGQUERY_MAX_GB", "0.001")
    get_settings.cache_clear()
    with pytest.raises(ConfigError, match="THREADMILL_BIGQUERY_MAX_GB"):
        tables(tmp_path / "comments", SOURCE)
    assert truly_run(warehouse) == []


def test_the_estimate_is_of_the_columns_that_are_used(warehouse: FakeBigQuery, store: Path) -> None:
    rows = [comment(id=f"c{number}", body="x" * 100, created_utc=MAY + number) for number in range(50)]
    fill(store, {"2015_05": [{**row, "gilded_by": "y" * 5000} for row in rows]})
    found = estimate_bytes("fh-bigquery", TablesConfig())
    assert 50 * 100 < found.source < 50 * 300
    assert found.source < found.billed < 6 * found.source


def test_the_database_of_duckdb_stays_as_it_was(tmp_path: Path) -> None:
    uri = database(tmp_path / "x.duckdb", {"2015_05": [comment(created_utc=MAY)]})
    assert TablesStage(uri).phases(None) == ()  # type: ignore[arg-type]
    with duckdb.connect(uri, read_only=True) as connection:
        assert connection.execute('SELECT COUNT(*) FROM reddit_comments."2015_05"').fetchall() == [(1,)]
