import sqlglot

from threadmill.warehouse.bigquery.views import over, rows_of
from threadmill.warehouse.statements import googlesql


def test_a_statement_stands_over_views_with_its_text_as_it_is_less_its_last_order() -> None:
    sql = over("comments_from_table", {"one": "SELECT * FROM t", "judged": "SELECT * FROM one"})
    text = googlesql("comments_from_table")
    assert text[: text.rindex("ORDER BY")].rstrip() in sql
    assert "ORDER BY" not in sql
    tree = sqlglot.parse_one(sql, read="bigquery")
    assert [view.alias for view in tree.args["with_"].expressions] == ["one", "judged"]


def test_a_statement_with_views_of_its_own_can_be_a_subquery() -> None:
    sql = over("judged_rows", {"table_rows": "SELECT * FROM t"})
    assert {table.name for table in sqlglot.parse_one(sql, read="bigquery").find_all(sqlglot.exp.Table)} >= {"t", "table_rows"}
    assert rows_of("signature_keys").count("SELECT * FROM (") == 1
