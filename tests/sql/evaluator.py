"""GoogleSQL's reference evaluator (PyPI zetasql, WebAssembly): what a statement of sql/ means to BigQuery."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC
from pathlib import Path
from typing import Any

import wasmtime
import zetasql.core.wasm_client
from google.protobuf.timestamp_pb2 import Timestamp
from zetasql.api import CatalogBuilder, PreparedQuery, TableBuilder
from zetasql.core.local_service import ZetaSqlLocalService
from zetasql.types import (
    AnalyzerOptions,
    ArrayType,
    EvaluateQueryRequest,
    LanguageOptions,
    Parameter,
    TableContent,
    TableData,
    Type,
    TypeKind,
    Value,
    ZetaSQLBuiltinFunctionOptions,
)
from zetasql.wasi._pb2.zetasql.local_service.local_service_pb2 import EvaluateQueryResponse

Row = Mapping[str, Any]
Columns = Mapping[str, str]
"""Column names and their types, "INT64", "STRING", "BOOL", "TIMESTAMP" or "ARRAY<INT64>"."""


def keep_compiled_code() -> None:
    """Has the evaluator compiled once an environment, not once a process: it takes half a minute."""
    settings, folder = Path(sys.prefix) / "wasmtime.toml", Path(sys.prefix) / "wasmtime"
    try:
        settings.write_text(f"[cache]\ndirectory = {json.dumps(str(folder.resolve()))}\n")
    except OSError:  # an environment that is not ours to write to
        return

    def configuration() -> wasmtime.Config:
        config = wasmtime.Config()
        config.cache = str(settings)
        return config

    zetasql.core.wasm_client.Config = configuration


def evaluate(
    statement: str, tables: Mapping[str, tuple[Columns, Sequence[Row]]], parameters: Mapping[str, tuple[str, Any]]
) -> list[dict[str, Any]]:
    """The rows of a statement in their order.

    Args:
        tables: name -> columns and rows.
        parameters: name -> type and value.
    """
    language = LanguageOptions.maximum_features()
    catalog = CatalogBuilder("warehouse").with_builtin_functions(ZetaSQLBuiltinFunctionOptions(language_options=language))
    for name, (columns, _) in tables.items():
        table = TableBuilder(name)
        for column, kind in columns.items():
            table.add_column(column, _type(kind))
        catalog.add_table(table.build())
    declared = [AnalyzerOptions.QueryParameter(name=name, type=_type(kind)) for name, (kind, _) in parameters.items()]
    query = (
        PreparedQuery.builder()
        .set_sql(statement)
        .set_analyzer_options(AnalyzerOptions(language_options=language, query_parameters=declared))
        .set_catalog(catalog.build())
        .set_table_content({name: _content(columns, rows) for name, (columns, rows) in tables.items()})
        .prepare()
    )
    with query:
        values = [Parameter(name=name, value=_value(kind, value)) for name, (kind, value) in parameters.items()]
        names = [column.name for column in query.columns]
        rows = _execute(query.prepared_query_id, values)
    return [dict(zip(names, map(_python, row.cell), strict=True)) for row in rows]


def _execute(prepared_query_id: int, parameters: Sequence[Parameter]) -> Any:
    # PreparedQuery.execute does the same, but its result has lost the timestamps.
    request = EvaluateQueryRequest(prepared_query_id=prepared_query_id, params=list(parameters)).to_proto()
    client = ZetaSqlLocalService.get_instance().wasm_client
    response = client.call_grpc_func("ZetaSqlLocalService_EvaluateQuery", request, EvaluateQueryResponse)
    return response.content.table_data.row


def _type(name: str) -> Type:
    if name == "ARRAY<INT64>":
        return Type(type_kind=TypeKind.TYPE_ARRAY, array_type=ArrayType(element_type=_type("INT64")))
    return Type(type_kind=TypeKind[f"TYPE_{name}"])


def _content(columns: Columns, rows: Sequence[Row]) -> TableContent:
    cells = [[_value(kind, row[name]) for name, kind in columns.items()] for row in rows]
    return TableContent(table_data=TableData(row=[TableData.Row(cell=row) for row in cells]))


def _value(kind: str, value: Any) -> Value:
    if value is None:
        return Value()
    if kind == "TIMESTAMP":
        stamp = Timestamp()
        stamp.FromDatetime(value)
        return Value(timestamp_value=stamp)
    if kind == "ARRAY<INT64>":
        return Value(array_value=Value.Array(element=[_value("INT64", element) for element in value]))
    return Value(**{f"{kind.lower()}_value": value})


def _python(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind != "timestamp_value":
        return None if kind is None else getattr(value, kind)
    return value.timestamp_value.ToDatetime(UTC)
