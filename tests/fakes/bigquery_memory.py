"""BigQuery's datasets and tables in memory, without rows: a backend for tests of jobs alone."""

import re
import threading
from collections.abc import Mapping
from typing import Any

from tests.fakes.bigquery import refusal
from tests.fakes.rest import Answer, Request

_CREATED = re.compile(r"CREATE OR REPLACE (?:TABLE|VIEW) `[^.`]+\.([^.`]+)\.([^.`]+)`", re.IGNORECASE)
_DATASET = re.compile(r"/bigquery/v2/projects/(?P<project>[^/]+)/datasets(?:/(?P<dataset>[^/]+))?(?:/tables/(?P<table>[^/]+))?")


class Memory:
    """Queries that create a table, and loads, leave its name; one that has the word FAIL fails with invalidQuery.

    Attributes:
        datasets: their resources, by id.
        tables: "DATASET.TABLE".
        sizes: what every query reads, table by table.
    """

    grpc = ""

    def __init__(self) -> None:
        self.datasets: dict[str, dict[str, Any]] = {}
        self.tables: set[str] = set()
        self.sizes: list[int] = [1000]
        self._lock = threading.Lock()

    def run(self, job: Mapping[str, Any]) -> dict[str, Any]:
        configuration = job["configuration"]
        if "load" in configuration:
            table = configuration["load"]["destinationTable"]
            self.tables.add(f"{table['datasetId']}.{table['tableId']}")
            return {"status": {"state": "DONE"}, "statistics": {"load": {"outputRows": "3", "outputBytes": "100"}}}
        sql = configuration["query"]["query"]
        if "FAIL" in sql:
            return {"status": {"errorResult": {"reason": "invalidQuery", "message": "Syntax error: FAIL at [1:1]"}}}
        if match := _CREATED.match(sql):
            self.tables.add(f"{match[1]}.{match[2]}")
        return {"status": {"state": "DONE"}, "statistics": {"query": {}}}

    def bytes_read(self, job: Mapping[str, Any]) -> list[int]:
        return list(self.sizes)

    def location(self, dataset: str) -> str:
        return str(self.datasets[dataset]["location"]) if dataset in self.datasets else ""

    def answer(self, request: Request) -> Answer:
        match = _DATASET.fullmatch(request.path)
        if match is None:
            return refusal(404, f"no such call: {request.method} {request.path}")
        with self._lock:
            if match["table"]:
                return self._table(request, match)
            return self._dataset(request, match) if match["dataset"] else self._datasets(request)

    def _table(self, request: Request, match: re.Match[str]) -> Answer:
        name = f"{match['dataset']}.{match['table']}"
        if name not in self.tables:
            return refusal(404, f"Not found: Table {match['project']}:{name}")
        if request.method == "DELETE":
            self.tables.remove(name)
            return Answer(204)
        reference = {"projectId": match["project"], "datasetId": match["dataset"], "tableId": match["table"]}
        return Answer(json={"kind": "bigquery#table", "tableReference": reference, "type": "TABLE"})

    def _dataset(self, request: Request, match: re.Match[str]) -> Answer:
        name = match["dataset"]
        if name not in self.datasets:
            return refusal(404, f"Not found: Dataset {match['project']}:{name}")
        if request.method == "DELETE":
            del self.datasets[name]
            self.tables = {table for table in self.tables if not table.startswith(f"{name}.")}
            return Answer(204)
        return Answer(json=self.datasets[name])

    def _datasets(self, request: Request) -> Answer:
        if request.method == "GET":
            return Answer(json={"kind": "bigquery#datasetList", "datasets": list(self.datasets.values())})
        body = request.json()
        name = body["datasetReference"]["datasetId"]
        if name in self.datasets:
            return refusal(409, f"Already Exists: Dataset {name}")
        self.datasets[name] = {"kind": "bigquery#dataset", "location": "US", **body}
        return Answer(json=self.datasets[name])

    def stop(self) -> None:
        """Nothing to end."""
