import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from tests.corpora.reddit.exports import comment, json_lines
from threadmill.corpora.reddit.comments import TOMBSTONES
from threadmill.corpora.reddit.config import IngestConfig, TablesConfig
from threadmill.corpora.reddit.ingest import IngestStage
from threadmill.corpora.reddit.tables import TablesStage
from threadmill.datasets.dataset import Dataset, verify
from threadmill.datasets.manifest import Manifest
from threadmill.engine.run import run_stage
from threadmill.errors import ConfigError, InputError

MAY, JUNE = 1_430_438_400, 1_433_116_800  # when the months of 2015 begin


def database(path: Path, tables: dict[str, Sequence[dict[str, Any]]], dataset: str = "reddit_comments") -> str:
    with duckdb.connect(str(path)) as connection:
        connection.execute(f"CREATE SCHEMA {dataset}")
        for name, rows in tables.items():
            frame = pl.DataFrame(rows, infer_schema_length=None).to_arrow()
            connection.register("given", frame)
            connection.execute(f'CREATE TABLE {dataset}."{name}" AS SELECT * FROM given')
    return str(path)


def tables(folder: Path, database: str, ledger: str = "", **config: Any) -> Manifest:
    stage = TablesStage(database, TablesConfig(**{"max_bad_fraction": 1.0, **config}), "300MB", ledger)
    return run_stage(stage, str(folder), workers=1)


def rows_of(folder: Path) -> pl.DataFrame:
    dataset = Dataset.open(str(folder))
    return pl.concat([pl.read_parquet(dataset.path(shard)) for shard in dataset.shards()])


def letters_of(folder: Path) -> list[dict[str, Any]]:
    manifest = Dataset.open(str(folder)).manifest
    return [json.loads(line) for entry in manifest.dead_letters for line in (folder / entry.name).read_text().splitlines()]


def drifting_rows() -> list[dict[str, Any]]:
    """Every row of one schema, as a table's are."""
    times = [MAY, str(MAY + 1), f"{MAY + 2}.75", f" {MAY + 3} ", "2015-05-01 00:00:04+00"]
    parents = ["t1_c0", "t3_17863", "c0", "17863", None, "", str(int("c0abc12", 36)), "33287847232.0", "0", "t1_"]
    rows = [comment(created_utc=time) for time in times]
    rows += [comment(parent_id=parent, created_utc=MAY + 10) for parent in parents]
    rows += [comment(parent_id=parent, link_id="17863", created_utc=MAY + 11) for parent in parents]
    rows += [comment(body=body, created_utc=MAY + 20) for body in ["", "é😀\n\"'", " [deleted]", *TOMBSTONES]]
    rows += [comment(score=score, created_utc=MAY + 30) for score in [None, "-3", "2.0", "many", 2**62]]
    rows += [comment(is_submitter=value, created_utc=MAY + 40) for value in [True, False, None, "yes"]]
    rows += [comment(id=value, created_utc=MAY + 50) for value in [None, "007", "C1", "t1_c1", "", "c" * 14]]
    rows += [comment(link_id=value, created_utc=MAY + 60) for value in [None, "t3_", "../x", "t3_ABC"]]
    rows += [comment(created_utc=value) for value in [None, "", "yesterday", 5, MAY * 1000, MAY - 1, JUNE]]
    rows += [comment(author=None, subreddit=None, distinguished="admin", created_utc=MAY + 70), comment(body=None)]
    titles = ["A title", "Two\r\nlines", "[deleted by user]", "[removed]", ""]
    texts = [None, "", "Its text\nof lines", "[deleted]"]
    submissions = [
        comment(body=None, title=title, selftext=text, created_utc=MAY + 80, link_id=None) for title in titles for text in texts
    ]
    named = [{"title": None, "selftext": None, "is_submitter": None, **row} for row in rows + submissions]
    return [{name: None if value is None else str(value) for name, value in row.items()} for row in named]


def test_comments_and_dead_letters_are_those_of_the_same_rows_as_json(tmp_path: Path) -> None:
    rows = [{**row, "id": f"c{number}" if row["id"] == "c1" else row["id"]} for number, row in enumerate(drifting_rows())]
    (tmp_path / "RC_2015-05").write_bytes(json_lines(rows))
    run_stage(
        IngestStage((str(tmp_path / "RC_2015-05"),), IngestConfig(max_bad_fraction=1.0)), str(tmp_path / "lines"), workers=1
    )
    manifest = tables(tmp_path / "tables", database(tmp_path / "x.duckdb", {"2015_05": rows}))
    wanted = rows_of(tmp_path / "lines").drop("source_row").sort(pl.all())
    found = rows_of(tmp_path / "tables").drop("source_row").sort(pl.all())
    assert wanted.height > 60
    assert found.equals(wanted)
    told = [
        sorted((letter["reason"], letter["detail"]) for letter in letters_of(tmp_path / name)) for name in ("tables", "lines")
    ]
    assert len(told[0]) > 12
    assert told[0] == told[1]
    lines = Dataset.open(str(tmp_path / "lines")).manifest
    assert manifest.counters.to_json() == lines.counters.to_json()
    assert {**manifest.statistics, "bad_lines": {}} == {**lines.statistics, "bad_lines": {}}
    assert manifest.schema == lines.schema
    assert verify(str(tmp_path / "tables")) == []


def test_rows_are_numbered_over_all_tables_whatever_order_they_lie_in(tmp_path: Path) -> None:
    may = [comment(id=f"m{number}", created_utc=MAY + number % 3) for number in range(9)]
    june = [comment(id="j0", created_utc=JUNE), comment(id="j0", created_utc=JUNE)]
    one = database(tmp_path / "one.duckdb", {"2015_06": june, "2015_05": may})
    other = database(tmp_path / "other.duckdb", {"2015_05": may[::-1], "2015_06": june})
    shards = [tables(tmp_path / name, uri, shard_rows=4).shards for name, uri in (("a", one), ("b", other))]
    assert shards[0] == shards[1]
    assert [shard.name for shard in shards[0]] == [
        "2015_05-00000-of-00003.parquet",
        "2015_05-00001-of-00003.parquet",
        "2015_05-00002-of-00003.parquet",
        "2015_06-00000-of-00001.parquet",
    ]
    rows = rows_of(tmp_path / "a")
    assert rows["source_row"].is_sorted()
    assert rows["source_row"].to_list() == [*range(1, 10), (1 << 40) + 1, (1 << 40) + 2]
    assert rows["id"].to_list() == ["m0", "m3", "m6", "m1", "m4", "m7", "m2", "m5", "m8", "j0", "j0"]  # both copies are kept


@pytest.mark.parametrize(
    ("chosen", "wanted"),
    [
        ({}, ["2015_05", "2016_01", "2019_12"]),
        ({"pattern": "^201[5678]_[01][0-9]$"}, ["2015_05", "2016_01"]),
        ({"pattern": "2015"}, ["2015_05"]),
        ({"pattern": "^all"}, ["all_of_it"]),
        ({"month": "2016-01"}, ["2016_01"]),
    ],
)
def test_tables_are_chosen_by_pattern_or_month(tmp_path: Path, chosen: dict[str, str], wanted: list[str]) -> None:
    months = {"2015_05": MAY, "2016_01": 1_451_606_400, "2019_12": 1_575_158_400, "all_of_it": MAY, "2019": MAY}
    uri = database(tmp_path / "x.duckdb", {name: [comment(created_utc=time)] for name, time in months.items()})
    manifest = tables(tmp_path / "comments", uri, max_bad_fraction=0.0, **chosen)
    assert [entry.name for entry in manifest.inputs] == [f"reddit_comments.{name}" for name in wanted]
    assert manifest.counters.kept == len(wanted)


def test_rows_of_another_month_than_the_tables_are_dead_letters_with_table_and_row(tmp_path: Path) -> None:
    uri = database(tmp_path / "x.duckdb", {"2015_05": [comment(created_utc=MAY), comment(id="c2", created_utc=JUNE)]})
    tables(tmp_path / "comments", uri)
    (letter,) = letters_of(tmp_path / "comments")
    assert {name: letter[name] for name in ("file", "line", "reason", "detail")} == {
        "file": "reddit_comments.2015_05",
        "line": 2,
        "reason": "wrong month",
        "detail": "2015-06",
    }
    assert letter["text"] == "id c2, link_id t3_17863, parent_id t1_c0, created_utc 1433116800, text a comment"
    with pytest.raises(InputError, match=r"1 of 2 lines \(50.00%\)"):
        tables(tmp_path / "strict", uri, max_bad_fraction=0.01)
    assert not (tmp_path / "strict" / "manifest.json").exists()


def test_columns_come_in_other_types_and_order_and_some_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "x.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("CREATE SCHEMA reddit_comments")
        connection.execute(
            'CREATE VIEW reddit_comments."2015_05" AS SELECT '
            "TIMESTAMPTZ '2015-05-01 00:00:07.9+00' AS created_utc, 'text' AS body, "
            "33287847232 AS parent_id, 't3_x' AS link_id, 'a' AS id, 2.0::DOUBLE AS score"
        )
    tables(tmp_path / "comments", str(path))
    (row,) = rows_of(tmp_path / "comments").to_dicts()
    assert (row["parent_id"], row["parent_kind"], row["score"], row["author"]) == ("faiq3b4", "comment", 2, None)
    assert row["created_utc"].timestamp() == MAY + 7


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"pattern": "^2016_"}, r"no table of reddit_comments in .* is named \^2016_ \(there is 2015_05, bad\)"),
        ({"month": "2015-06"}, r"is named \^2015_06\$ \(there is 2015_05, bad\)"),
        ({"dataset": "other"}, r"no table of other in .* \(there are none\)"),
        ({"pattern": "bad"}, r"table reddit_comments.bad in .* has no column id or link_id or body \(it has created_utc\)"),
    ],
)
def test_tables_that_cannot_be_are_told_with_what_there_is(tmp_path: Path, config: dict[str, str], message: str) -> None:
    uri = database(tmp_path / "x.duckdb", {"2015_05": [comment(created_utc=MAY)], "bad": [{"created_utc": MAY}]})
    with pytest.raises(InputError, match=message) as caught:
        tables(tmp_path / "comments", uri, **config)
    assert "\n" not in str(caught.value)


def test_what_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database" * 1000)
    for name, message in {"none": "is no file", "": "is no file", "text": "cannot be read .*name a DuckDB database file"}.items():
        with pytest.raises(InputError, match=message) as caught:
            tables(tmp_path / "comments", str(tmp_path / name))
        assert "\n" not in str(caught.value)


def test_settings_that_cannot_be_are_refused() -> None:
    for config, message in (
        ({"pattern": "("}, "no regular expression"),
        ({"month": "2015_05"}, "write it as YYYY-MM"),
        ({"month": "2015-05", "pattern": "x"}, "give one of them"),
    ):
        with pytest.raises(ConfigError, match=message):
            TablesConfig(**config)  # type: ignore[arg-type]


def test_a_database_is_only_read(tmp_path: Path) -> None:
    uri = database(tmp_path / "x.duckdb", {"2015_05": [comment(created_utc=MAY)]})
    before = Path(uri).read_bytes()
    tables(tmp_path / "comments", uri)
    assert Path(uri).read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["comments", "x.duckdb"]
