"""Statements of sql/ over tables that are themselves SELECTs: their text stays as it is, and nothing is stored between them."""

from collections.abc import Mapping

from threadmill.warehouse.statements import unordered


def rows_of(statement: str) -> str:
    """A SELECT of the rows of a statement of sql/, in no order."""
    return f"SELECT * FROM (\n{unordered(statement)})"


def over(statement: str, views: Mapping[str, str]) -> str:
    """A SELECT of the rows of a statement of sql/.

    Args:
        views: name -> SELECT of the tables that the statement reads, each of which may read those before it. No text from
            outside.
    """
    return "WITH " + ",\n".join(f"{name} AS (\n{select}\n)" for name, select in views.items()) + f"\n{rows_of(statement)}"
