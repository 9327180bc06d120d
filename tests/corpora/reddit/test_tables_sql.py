import polars as pl
import pytest

from threadmill.corpora.reddit.comment_shards import ROW_GROUP
from threadmill.corpora.reddit.table_sources import bigquery_project
from threadmill.corpora.reddit.tables_phase import _row_groups
from threadmill.corpora.reddit.tables_sql import source_select
from threadmill.errors import ConfigError, InputError


def test_columns_are_read_as_text_and_those_that_are_not_there_as_null() -> None:
    sql = source_select("fh-bigquery", "reddit_comments", "2015_05", {"id": "STRING", "score": "INTEGER", "gilded": "RECORD"})
    assert sql.endswith("FROM `fh-bigquery.reddit_comments.2015_05`")
    assert "CAST(score AS STRING) AS score" in sql
    assert "CAST(NULL AS STRING) AS title" in sql
    assert "gilded" not in sql


@pytest.mark.parametrize("kind", ["RECORD", "ARRAY", "BYTES", "JSON"])
def test_a_column_of_a_type_that_is_no_text_is_told_by_name(kind: str) -> None:
    with pytest.raises(InputError, match=rf"column body of BigQuery table p1\.d\.t is of type {kind}") as caught:
        source_select("p1", "d", "t", {"body": kind})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a`b", "x; DROP TABLE y", "a.b", ""])
def test_names_that_are_none_never_come_into_sql(name: str) -> None:
    with pytest.raises(ConfigError):
        source_select("p1", "d", name, {})
    with pytest.raises(ConfigError):
        bigquery_project(f"bigquery:{name} ")


@pytest.mark.parametrize("shard_rows", [1, 7, ROW_GROUP - 1, ROW_GROUP, ROW_GROUP + 1, 3 * ROW_GROUP + 5])
def test_row_groups_of_shards_are_cut_where_one_stream_of_all_would_be(shard_rows: int) -> None:
    count = min(4 * ROW_GROUP + 3, 20 * shard_rows)
    for first in range(0, count, shard_rows):
        frame = pl.select(position=pl.int_range(first, min(first + shard_rows, count)))
        groups = list(_row_groups(frame, first))
        assert pl.concat(groups).equals(frame)
        starts = [group["position"][0] for group in groups]
        assert starts == sorted({first, *(edge for edge in range(0, count, ROW_GROUP) if first < edge < first + frame.height)})
