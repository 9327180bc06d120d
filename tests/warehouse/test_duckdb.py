from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from tests.sql.table_rows import TABLE_ROWS
from threadmill.errors import ConfigError, InputError
from threadmill.warehouse.duckdb import DuckDBWarehouse

THREADS_PARAMETERS = {
    "split_digit": 1,
    "split_digits": 15,
    "train_edge": 16**15,
    "validation_edge": 16**15,
    "train_shards": 1,
    "validation_shards": 1,
    "test_shards": 1,
    "month": "",
}


def comments(count: int, words: int = 1) -> pl.DataFrame:
    number = pl.int_range(count)
    hashes = [number.hash(seed).cast(pl.String) for seed in range(words)]
    return pl.select(
        thread_id=pl.concat_str(pl.lit("t"), number.hash(1) % (count // 10 + 1)),
        id=pl.concat_str(pl.lit("c"), number),
        parent_id=pl.lit("t"),
        parent_kind=pl.lit("submission"),
        subreddit=pl.lit("s"),
        author=pl.lit("a"),
        body=pl.concat_str(hashes, separator=" "),
        score=number,
        created_utc=pl.lit(0).cast(pl.Datetime("us", "UTC")),
        is_submitter=pl.lit(None, pl.Boolean),
        distinguished=pl.lit(None, pl.String),
        removal=pl.lit(None, pl.String),
        month=pl.lit("2006-01"),
        source_row=number,
    )


def test_statements_run_over_files_in_any_folder(tmp_path: Path) -> None:
    folder = tmp_path / "it's [a] *folder* with a space?"
    folder.mkdir()
    comments(5).write_parquet(folder / "one.parquet")
    with DuckDBWarehouse("200MB", 2, str(folder)) as warehouse:
        warehouse.load("comments", [str(folder / "one.parquet")])
        assert warehouse.query("comment_measures", {"month": "2006-02"}).to_pylist()[0]["outside_month"] == 5
        assert warehouse.query("comment_measures", {"month": "' OR 1=1 --"}).to_pylist()[0]["row_count"] == 5
    assert [path.name for path in folder.iterdir()] == ["one.parquet"]


def test_rows_know_the_part_they_come_from(tmp_path: Path) -> None:
    frame = comments(3)
    for name, rows in {
        "a": frame,
        "b": frame.select(frame.columns[::-1]),
        "c": frame.with_columns(removal=pl.lit("author"), source_row=pl.col("source_row") + 3),
    }.items():
        rows.write_parquet(tmp_path / f"{name}.parquet")
    with DuckDBWarehouse("200MB", 2, str(tmp_path)) as warehouse:
        warehouse.load("comments", [str(tmp_path / "a.parquet")], [str(tmp_path / "b.parquet"), str(tmp_path / "c.parquet")])
        warehouse.create("duplicates", "duplicate_comments", {"prefer_original": True})
        places = warehouse.query("count_duplicates").to_pylist()
        found = warehouse.query("threads", THREADS_PARAMETERS)
    assert places == [{"dropped": 6}]
    assert sorted(found["source_row"].to_pylist()) == [0, 1, 2]
    assert found["removal"].null_count == 3


def test_rows_stream_in_batches_and_times_are_utc(tmp_path: Path) -> None:
    comments(150_000).write_parquet(tmp_path / "one.parquet")
    with DuckDBWarehouse("300MB", 2, str(tmp_path)) as warehouse:
        warehouse.load("comments", [str(tmp_path / "one.parquet")])
        warehouse.create("duplicates", "duplicate_comments", {"prefer_original": True})
        reader = warehouse.stream("threads", THREADS_PARAMETERS)
        assert reader.schema.field("created_utc").type == pa.timestamp("us", "UTC")
        sizes = [batch.num_rows for batch in reader]
    assert sum(sizes) == 150_000
    assert max(sizes) <= 65_536


def test_more_than_the_memory_is_spilled_to_disk_and_sorted_right(tmp_path: Path) -> None:
    frame = comments(60_000, words=20)
    assert frame.estimated_size() > 25_000_000
    for part in range(4):
        frame.with_columns(id=pl.concat_str("id", pl.lit(f"p{part}"))).write_parquet(
            tmp_path / f"{part}.parquet", row_group_size=10_000
        )
    with DuckDBWarehouse("110MB", 2, str(tmp_path)) as warehouse:
        warehouse.load("comments", [str(tmp_path / f"{part}.parquet") for part in range(4)])
        warehouse.create("duplicates", "duplicate_comments", {"prefer_original": True})
        reader = warehouse.stream("threads", THREADS_PARAMETERS)
        first = reader.read_next_batch()
        (spill,) = (path for path in tmp_path.iterdir() if path.is_dir())
        assert sum(path.stat().st_size for path in spill.iterdir()) > 1_000_000
        table = pa.Table.from_batches([first, *reader])
    assert not spill.exists()
    assert table.num_rows == 240_000
    spilled = pl.DataFrame(table.select(["thread_id", "id"]))
    assert spilled["id"].n_unique() == 240_000
    assert spilled["thread_id"].rle().len() == frame["thread_id"].n_unique()  # each thread in one piece


def test_too_little_memory_is_told_with_the_remedy(tmp_path: Path) -> None:
    comments(100_000, words=10).write_parquet(tmp_path / "one.parquet")
    with DuckDBWarehouse("10MB", 2, str(tmp_path)) as warehouse:
        warehouse.load("comments", [str(tmp_path / "one.parquet")])
        with pytest.raises(ConfigError, match="raise the memory limit") as caught:
            warehouse.create("duplicates", "duplicate_comments", {"prefer_original": True})
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["one.parquet"]


def test_too_little_memory_for_the_rows_is_told_too(tmp_path: Path) -> None:
    comments(100_000, words=10).write_parquet(tmp_path / "one.parquet")
    comments(0).select("thread_id", "id", place="source_row", is_submission=pl.lit(False)).write_parquet(
        tmp_path / "none.parquet"
    )
    with DuckDBWarehouse("25MB", 1, str(tmp_path)) as warehouse:
        warehouse.load("comments", [str(tmp_path / "one.parquet")])
        warehouse.load("duplicates", [str(tmp_path / "none.parquet")])
        with pytest.raises(ConfigError, match="raise the memory limit"):
            warehouse.stream("threads", THREADS_PARAMETERS).read_all()
        with pytest.raises(ConfigError, match="raise the memory limit"):
            warehouse.query("threads", THREADS_PARAMETERS)


@pytest.mark.parametrize(
    "memory_limit", ["banana", "", "-1", "-1GB", "0GB", "80%", "1", "12 parsecs", "1GB; DROP TABLE x", "nanGB"]
)
def test_a_memory_limit_of_no_use_is_refused(tmp_path: Path, memory_limit: str) -> None:
    with pytest.raises(ConfigError, match=r"the memory limit is .*; write it as '1GB' or '500MB'"):
        DuckDBWarehouse(memory_limit, 2, str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("memory_limit", ["300MB", "0.5GiB", "1 gb", "99999999TB", "400000KB"])
def test_memory_limits_come_in_any_unit(tmp_path: Path, memory_limit: str) -> None:
    comments(2).write_parquet(tmp_path / "one.parquet")
    with DuckDBWarehouse(memory_limit, 2, str(tmp_path)) as warehouse:
        warehouse.load("comments", [str(tmp_path / "one.parquet")])
        assert warehouse.query("comment_measures", {"month": ""})["row_count"].to_pylist() == [2]


@pytest.mark.parametrize("table", ["Comments", "1st", "a b", "x;", "", "comments--", 'a"b'])
def test_what_is_no_table_name_is_refused(tmp_path: Path, table: str) -> None:
    with DuckDBWarehouse("200MB", 1, str(tmp_path)) as warehouse:
        with pytest.raises(ConfigError, match="is no table name"):
            warehouse.load(table, [str(tmp_path / "one.parquet")])
        with pytest.raises(ConfigError, match="is no table name"):
            warehouse.create(table, "comment_measures", {"month": ""})


def test_a_file_that_is_not_there_or_cut_is_told(tmp_path: Path) -> None:
    comments(1000).write_parquet(tmp_path / "cut.parquet")
    (tmp_path / "cut.parquet").write_bytes((tmp_path / "cut.parquet").read_bytes()[:-10])
    with DuckDBWarehouse("200MB", 1, str(tmp_path)) as warehouse:
        for name in ("none.parquet", "cut.parquet"):
            with pytest.raises(InputError, match=name) as caught:
                warehouse.load("comments", [str(tmp_path / name)])
            assert "\n" not in str(caught.value)


def test_tables_of_a_database_are_read_as_text(tmp_path: Path) -> None:
    path = tmp_path / "it's.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE SCHEMA months; CREATE TABLE months.\"2015_06\" AS SELECT 2 AS id, 'x' AS body, 7 AS other")
        connection.execute('CREATE VIEW months."20""15" AS SELECT true AS is_submitter, TIMESTAMP \'2015-05-01\' AS created_utc')
    with DuckDBWarehouse("200MB", 1, str(tmp_path), str(path)) as warehouse:
        names = warehouse.tables("months")
        assert names == ['20"15', "2015_06"]
        assert warehouse.tables("'; --") == warehouse.tables("other") == []
        assert warehouse.columns("months", '20"15') == ["is_submitter", "created_utc"]
        assert warehouse.columns("months", "none") == []
        warehouse.select("table_rows", "months", names, list(TABLE_ROWS))
        rows = warehouse.query("judged_rows", {"month": "", "first_row": 0}).to_pylist()
        assert [(row["id"], row["given_created_utc"], row["is_submitter"], row["body"]) for row in rows] == [
            ("2", None, None, "x"),
            (None, "2015-05-01 00:00:00", True, None),
        ]
        with pytest.raises(ConfigError, match="is no table name"):
            warehouse.select("table_rows", "months", names, ['a" --'])


def test_what_cannot_be_attached_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database" * 1000)
    for name in ("text", "none"):
        with pytest.raises(InputError, match=f"{name} cannot be read .*name a DuckDB database file") as caught:
            DuckDBWarehouse("200MB", 1, str(tmp_path), str(tmp_path / name))
        assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["text"]
