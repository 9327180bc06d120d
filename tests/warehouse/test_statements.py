import re
from pathlib import Path

import pytest

from threadmill.warehouse.statements import duckdb_sql, googlesql, statement_path

NAMES = sorted(path.stem for path in statement_path("threads").parent.glob("*.sql"))


@pytest.mark.parametrize("name", NAMES)
def test_a_statement_is_one_query_that_says_what_it_is_for(name: str) -> None:
    text = googlesql(name)
    assert text.startswith("-- ")
    assert ";" not in re.sub(r"--.*", "", text)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_stay_parameters(name: str) -> None:
    wanted = set(re.findall(r"@(\w+)", re.sub(r"--.*", "", googlesql(name))))
    assert set(re.findall(r"\$(\w+)", re.sub(r"/\*.*?\*/", "", duckdb_sql(name), flags=re.DOTALL))) == wanted


def test_a_statement_that_is_not_there_is_told() -> None:
    with pytest.raises(FileNotFoundError, match=r"no statement nonsense\.sql"):
        statement_path("nonsense")


def test_statements_lie_in_the_checkout_or_the_package() -> None:
    assert statement_path("threads").parent.name == "sql"
    assert statement_path("threads") == Path(statement_path("threads")).resolve()
