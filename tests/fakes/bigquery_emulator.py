"""bqemulator, another's BigQuery over DuckDB, as the backend of our fake: statements, loads and rows are truly run and read.

What it lacks is added here: what queries read, all pages of lists, the filter of labels. Its loads see the files of Cloud Storage
as BUCKET/OBJECT in the folder of `FakeCloudStorage`.
"""

import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import sqlglot
from sqlglot import expressions

from tests.fakes.rest import Answer, Request

_START_SECONDS = 60
_WIDTHS = {"INTEGER": 8, "INT64": 8, "FLOAT": 8, "FLOAT64": 8, "BOOLEAN": 1, "BOOL": 1, "TIMESTAMP": 8, "DATE": 8, "DATETIME": 8}
_MOST = 1_000_000
_LIST = re.compile(r".*/projects/[^/]+/datasets(?:/[^/]+/tables)?")


def tools_folder() -> Path:
    """Where `make test-cloud` keeps the servers of others."""
    return Path(os.environ.get("TOOLS", ".tools"))


class Emulator:
    """A process of bqemulator.

    Args:
        root: the folder of Cloud Storage's files.
    """

    def __init__(self, root: Path, project: str) -> None:
        self._project = project
        port, grpc_port = _free_port(), _free_port()
        self.grpc = f"localhost:{grpc_port}"
        self._url = f"http://127.0.0.1:{port}"
        self._sizes: dict[str, tuple[str, dict[str, int]]] = {}
        self._views: dict[str, str] = {}  # by DATASET.NAME: the emulator does not tell what a view reads
        self._process = subprocess.Popen(
            [
                str(tools_folder().resolve() / "bigquery" / "bin" / "bqemulator"),
                *("start", "--rest-port", str(port), "--grpc-port", str(grpc_port), "--project", project, "--log-level", "error"),
            ],
            env={**os.environ, "BQEMU_GCS_LOCAL_ROOT": str(root)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self._await()

    def run(self, job: Mapping[str, Any]) -> dict[str, Any]:
        if "query" in job["configuration"]:
            self._remember_view(job["configuration"]["query"])
        return self._call("POST", f"/bigquery/v2/projects/{self._project}/jobs", job)

    def bytes_read(self, job: Mapping[str, Any]) -> list[int]:
        """By the statement's tables and the names of columns in it, as if each were read once, whole."""
        query = job["configuration"]["query"]
        default = query.get("defaultDataset", {}).get("datasetId", "")
        return [size for _, size in self._reads(query["query"], default)]

    def location(self, dataset: str) -> str:
        try:
            return str(self._call("GET", f"/bigquery/v2/projects/{self._project}/datasets/{dataset}")["location"])
        except urllib.error.HTTPError:
            return ""

    def answer(self, request: Request) -> Answer:
        """Passes a call on."""
        query = dict(request.query)
        listing = request.method == "GET" and _LIST.fullmatch(request.path)
        if listing:
            query = {"maxResults": str(_MOST)}
        address = f"{self._url}{request.path}?{urllib.parse.urlencode(query)}"
        kept = {key: value for key, value in request.headers.items() if key.lower() in ("content-type", "x-upload-content-type")}
        call = urllib.request.Request(address, request.bytes() or None, kept, method=request.method)
        try:
            with urllib.request.urlopen(call, timeout=120) as response:
                status, content = response.status, response.read()
        except urllib.error.HTTPError as error:
            return Answer(error.code, content=error.read())
        if listing:
            return Answer(status, _page(json.loads(content), request.query))
        return Answer(status, content=content)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(30)

    def _remember_view(self, query: Mapping[str, Any]) -> None:
        for statement in filter(None, sqlglot.parse(query["query"], read="bigquery")):
            if isinstance(statement, expressions.Create) and statement.kind == "VIEW":
                view = statement.this
                dataset = view.db or query["defaultDataset"]["datasetId"]
                self._views[f"{dataset}.{view.name}"] = statement.expression.sql("bigquery")

    def _reads(self, sql: str, default: str) -> Iterator[tuple[str, int]]:
        for statement in filter(None, sqlglot.parse(sql, read="bigquery")):
            names = {column.name.lower() for column in statement.find_all(expressions.Column, expressions.Identifier)}
            everything = statement.find(expressions.Star) is not None
            own = {cte.alias for cte in statement.find_all(expressions.CTE)} | _targets(statement)
            for project, dataset, name in sorted(
                {(table.catalog, table.db or default, table.name) for table in statement.find_all(expressions.Table)}
            ):
                if name in own or not dataset:
                    continue
                for found in self._tables(project or self._project, dataset, name):
                    yield from self._table_reads(found, names, everything)

    def _table_reads(self, table: dict[str, Any], names: set[str], everything: bool) -> Iterator[tuple[str, int]]:
        reference = table["tableReference"]
        view = self._views.get(f"{reference['datasetId']}.{reference['tableId']}")
        if view is not None:
            yield from self._reads(view, reference["datasetId"])
            return
        columns = self._column_bytes(table)
        yield reference["tableId"], sum(size for name, size in columns.items() if everything or name.lower() in names)

    def _tables(self, project: str, dataset: str, name: str) -> list[dict[str, Any]]:
        """The table, or those of a wildcard."""
        folder = f"/bigquery/v2/projects/{project}/datasets/{dataset}/tables"
        try:
            if not name.endswith("*"):
                return [self._call("GET", f"{folder}/{name}")]
            listed = self._call("GET", f"{folder}?maxResults={_MOST}")["tables"]
            names = [table["tableReference"]["tableId"] for table in listed]
            return [self._call("GET", f"{folder}/{found}") for found in names if found.startswith(name[:-1])]
        except urllib.error.HTTPError:
            return []

    def _column_bytes(self, table: Mapping[str, Any]) -> dict[str, int]:
        """Logical bytes of each column (https://cloud.google.com/bigquery/docs/reference/standard-sql/data-types#data_type_sizes)."""
        reference = table["tableReference"]
        path = f"{reference['projectId']}.{reference['datasetId']}.{reference['tableId']}"
        state = f"{table.get('lastModifiedTime')} {table.get('numRows')} {table.get('etag')}"
        if path not in self._sizes or self._sizes[path][0] != state:
            fields = [field for field in table.get("schema", {}).get("fields", []) if table.get("type") != "VIEW"]
            self._sizes[path] = (state, self._measured(path, fields))
        return self._sizes[path][1]

    def _measured(self, path: str, fields: list[Mapping[str, Any]]) -> dict[str, int]:
        if not fields:
            return {}
        measures = ", ".join(_measure(field) for field in fields)
        body = {"query": f"SELECT {measures} FROM `{path}`", "useLegacySql": False}
        row = self._call("POST", f"/bigquery/v2/projects/{self._project}/queries", body)["rows"][0]["f"]
        return {field["name"]: int(float(cell["v"] or 0)) for field, cell in zip(fields, row, strict=True)}

    def _call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        content = json.dumps(body).encode() if body is not None else None
        call = urllib.request.Request(self._url + path, content, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(call, timeout=300) as response:
            return dict(json.load(response))

    def _await(self) -> None:
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                self._call("GET", "/healthz")
                return
            except (urllib.error.URLError, ConnectionError):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError("bqemulator does not start; make it with tests/cloud/make_tools") from None
                time.sleep(0.1)


def _measure(field: Mapping[str, Any]) -> str:
    name, kind = f"`{field['name']}`", field["type"]
    if field.get("mode") == "REPEATED":
        return f"SUM(8 * ARRAY_LENGTH({name}))"
    return f"COUNT({name}) * {_WIDTHS[kind]}" if kind in _WIDTHS else f"SUM(2 + BYTE_LENGTH(CAST({name} AS STRING)))"


def _targets(statement: expressions.Expression) -> set[str]:
    """What a statement makes, and does not read."""
    target = statement.this if isinstance(statement, expressions.Create | expressions.Insert) else None
    table = target.find(expressions.Table) if target is not None else None
    return {table.name} if table is not None else set()


def _page(body: dict[str, Any], query: Mapping[str, str]) -> dict[str, Any]:
    """A page of a list, less what the filter (``labels.KEY:VALUE`` or ``labels.KEY``, with spaces between) leaves out."""
    kind = "datasets" if "datasets" in body else "tables"
    wanted = [part.removeprefix("labels.").partition(":") for part in query.get("filter", "").split()]
    found = [
        entry
        for entry in body.get(kind, [])
        if all(key in (labels := entry.get("labels", {})) and (not value or labels[key] == value) for key, _, value in wanted)
    ]
    first, count = int(query.get("pageToken") or 0), int(query.get("maxResults") or 50)
    page = {**body, kind: found[first : first + count]}
    page.pop("nextPageToken", None)
    return {**page, "nextPageToken": str(first + count)} if first + count < len(found) else page


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
