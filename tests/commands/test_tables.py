from pathlib import Path

import duckdb
import pytest

from threadmill.cli import main
from threadmill.datasets.dataset import Dataset


@pytest.fixture
def database(tmp_path: Path) -> str:
    path = str(tmp_path / "reddit.duckdb")
    with duckdb.connect(path) as connection:
        connection.execute("CREATE SCHEMA reddit_comments")
        for name, time in (("2015_05", 1_430_438_400), ("2016_01", 1_451_606_400)):
            connection.execute(
                f"CREATE TABLE reddit_comments.\"{name}\" AS SELECT 'c1' AS id, 't3_x' AS link_id, 'text' AS body, "
                f"{time} AS created_utc"
            )
    return path


@pytest.mark.parametrize(("flags", "months"), [(["--pattern", "^2015_"], ["2015-05"]), (["--month", "2016-01"], ["2016-01"])])
def test_tables_are_read_to_a_comments_dataset(database: str, tmp_path: Path, flags: list[str], months: list[str]) -> None:
    output = str(tmp_path / "comments")
    status = main(
        ["--quiet", "tables", database, "--dataset", "reddit_comments", *flags, "--output", output, "--memory-limit", "200MB"]
    )
    assert status == 0
    manifest = Dataset.open(output, "ingest").manifest
    assert list(manifest.statistics["months"]) == months


def test_what_there_is_is_told_where_no_table_is_so_named(
    database: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["tables", database, "--pattern", "^2017", "--output", str(tmp_path / "comments")]) == 2
    assert "is named ^2017 (there is 2015_05, 2016_01)" in capsys.readouterr().err
