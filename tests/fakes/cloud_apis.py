"""A fake of the REST APIs that the doctor asks: Service Usage, Resource Manager, Compute Engine, IAM, TPU, Storage and BigQuery.

Everything is in order as it starts; a test puts something out of order by changing the attribute that tells of it. The paths and
the shapes of the answers are those of the APIs' discovery documents.
"""

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.fakes.faults import Faults
from threadmill.doctor.permissions import APIS, GRANTS

PROJECT, REGION, ZONE, BUCKET = "p1", "us-central1", "us-central1-a", "our-bucket"


class RefusedError(Exception):
    """An answer that is an error: its HTTP status and message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class FakeCloudApis:
    """A server on loopback; `variables` points the library at it.

    Attributes:
        project_state: of PROJECT, the only one there is.
        enabled: APIs.
        held: permissions that the caller holds, on everything.
        buckets, datasets, tables: name -> what the API tells of it.
        quotas: of REGION: metric -> (limit, usage).
        networks: names; ``subnetworks`` by region and name.
        service_accounts: e-mail -> what IAM tells.
        tpu_types, tpu_runtimes: zone -> names.
        tpu_quota: metric -> zone ("" for the others) -> limit.
    """

    project_state: str = "ACTIVE"
    enabled: set[str] = field(default_factory=lambda: {api for apis in APIS.values() for api in apis})
    held: set[str] = field(default_factory=lambda: {permission for grant in GRANTS for permission in grant.permissions})
    buckets: dict[str, dict[str, Any]] = field(default_factory=lambda: {BUCKET: {"name": BUCKET, "location": "US-CENTRAL1"}})
    datasets: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {"threadmill": {"id": f"{PROJECT}:threadmill", "location": REGION}}
    )
    tables: set[str] = field(default_factory=lambda: {"threadmill.comments"})
    quotas: dict[str, tuple[float, float]] = field(
        default_factory=lambda: {
            "CPUS": (500, 0), "N2_CPUS": (500, 10), "DISKS_TOTAL_GB": (4096, 0), "IN_USE_ADDRESSES": (69, 1)
        }
    )  # fmt: skip
    networks: set[str] = field(default_factory=lambda: {"default"})
    subnetworks: dict[tuple[str, str], dict[str, Any]] = field(
        default_factory=lambda: {(REGION, "workers"): {"name": "workers", "privateIpGoogleAccess": True}}
    )
    service_accounts: dict[str, dict[str, Any]] = field(
        default_factory=lambda: {f"{name}@p1.iam.gserviceaccount.com": {"email": name} for name in ("workers", "hosts")}
    )
    tpu_types: dict[str, list[str]] = field(default_factory=lambda: {ZONE: ["v2-8", "v5litepod-4", "v5litepod-8"]})
    tpu_runtimes: dict[str, list[str]] = field(default_factory=lambda: {ZONE: ["tpu-vm-base", "v2-alpha-tpuv5-lite"]})
    tpu_quota: dict[str, dict[str, int]] = field(
        default_factory=lambda: {
            "tpu.googleapis.com/tpu-v5s-litepod": {"": 0, ZONE: 16},
            "tpu.googleapis.com/tpu-v5s-litepod-preemptible": {"": 0, ZONE: 64},
        }
    )
    faults: Faults = field(default_factory=Faults)
    page_size: int = 2

    def __enter__(self) -> "FakeCloudApis":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        fake = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake._answer(self, {})

            def do_POST(self) -> None:
                fake._answer(self, json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://localhost:{self._server.server_port}"

    def variables(self) -> dict[str, str]:
        """The environment that makes the doctor ask this server."""
        return {"THREADMILL_APIS_ENDPOINT": self.url}

    def _answer(self, handler: BaseHTTPRequestHandler, body: Mapping[str, Any]) -> None:
        parts = urlsplit(handler.path)
        status, content = 404, {"error": {"code": 404, "message": f"no method at {parts.path}"}}
        for pattern, call, method in self._methods():
            found = re.fullmatch(pattern, parts.path)
            if found:
                status, content = self._call(call, method, found.groups(), parse_qs(parts.query), body)
                break
        data = json.dumps(content).encode()
        handler.send_response(status)
        handler.send_header("Content-Type", "application/json")
        handler.send_header("Content-Length", str(len(data)))
        handler.end_headers()
        handler.wfile.write(data)

    def _call(
        self, call: str, method: Callable[..., dict[str, Any]], groups: tuple[str, ...], query: dict[str, list[str]], body: Any
    ) -> tuple[int, dict[str, Any]]:
        fault = self.faults.take(call)
        if fault is not None:
            return int(fault.kind), {"error": {"code": int(fault.kind), "message": f"{call} is out of order"}}
        try:
            return 200, method(*groups, query=query, body=body)
        except RefusedError as refused:
            return refused.status, {"error": {"code": refused.status, "message": str(refused)}}

    def _methods(self) -> list[tuple[str, str, Callable[..., dict[str, Any]]]]:
        name = "([^/:]+)"
        return [
            (f"/cloudresourcemanager/v3/projects/{name}", "projects.get", self._project),
            (f"/cloudresourcemanager/v3/projects/{name}:testIamPermissions", "projects.testIamPermissions", self._test),
            (f"/serviceusage/v1/projects/{name}/services:batchGet", "services.batchGet", self._services),
            (
                f"/serviceusage/v1beta1/projects/{name}/services/tpu.googleapis.com/consumerQuotaMetrics",
                "quota.list",
                self._tpu_quota,
            ),
            (f"/storage/storage/v1/b/{name}", "buckets.get", self._bucket),
            (f"/storage/storage/v1/b/{name}/iam/testPermissions", "buckets.testIamPermissions", self._test_bucket),
            (f"/bigquery/bigquery/v2/projects/{name}/datasets/{name}", "datasets.get", self._dataset),
            (
                f"/bigquery/bigquery/v2/projects/{name}/datasets/{name}/tables/{name}:testIamPermissions",
                "tables.test",
                self._test_table,
            ),
            (f"/compute/compute/v1/projects/{name}/regions/{name}", "regions.get", self._region),
            (f"/compute/compute/v1/projects/{name}/regions/{name}/subnetworks/{name}", "subnetworks.get", self._subnetwork),
            (f"/compute/compute/v1/projects/{name}/global/networks/{name}", "networks.get", self._network),
            (f"/iam/v1/projects/-/serviceAccounts/{name}", "serviceAccounts.get", self._account),
            (f"/iam/v1/projects/-/serviceAccounts/{name}:testIamPermissions", "serviceAccounts.test", self._test),
            (f"/tpu/v2/projects/{name}/locations/{name}/acceleratorTypes", "tpu.types", self._types),
            (f"/tpu/v2/projects/{name}/locations/{name}/runtimeVersions", "tpu.versions", self._versions),
        ]

    def _project(self, project: str, **_: Any) -> dict[str, Any]:
        if project != PROJECT:
            raise RefusedError(403, f"The caller does not have permission on projects/{project}")
        return {"name": "projects/1", "projectId": PROJECT, "state": self.project_state}

    def _test(self, _name: str, *, body: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        return _held(body["permissions"], self.held)

    def _services(self, _project: str, *, query: dict[str, list[str]], **_: Any) -> dict[str, Any]:
        assert len(query["names"]) <= 30  # what Service Usage takes at once
        states = {True: "ENABLED", False: "DISABLED"}
        return {"services": [{"name": name, "state": states[name.rpartition("/")[2] in self.enabled]} for name in query["names"]]}

    def _tpu_quota(self, _project: str, *, query: dict[str, list[str]], **_: Any) -> dict[str, Any]:
        metrics = [
            {
                "metric": metric,
                "consumerQuotaLimits": [{
                    "unit": "1/{project}/{zone}",
                    "quotaBuckets": [
                        {"effectiveLimit": str(limit), **({"dimensions": {"zone": zone}} if zone else {})}
                        for zone, limit in limits.items()
                    ],
                }],
            }
            for metric, limits in self.tpu_quota.items()
        ]  # fmt: skip
        return self._page("metrics", metrics, query)

    def _bucket(self, name: str, **_: Any) -> dict[str, Any]:
        return _known(self.buckets, name, "The specified bucket does not exist.")

    def _test_bucket(self, name: str, *, query: dict[str, list[str]], **_: Any) -> dict[str, Any]:
        _known(self.buckets, name, "The specified bucket does not exist.")
        return _held(query["permissions"], self.held)

    def _dataset(self, _project: str, name: str, **_: Any) -> dict[str, Any]:
        return _known(self.datasets, name, f"Not found: Dataset {PROJECT}:{name}")

    def _test_table(self, _project: str, dataset: str, table: str, *, body: Mapping[str, Any], **_: Any) -> dict[str, Any]:
        if f"{dataset}.{table}" not in self.tables:
            raise RefusedError(404, f"Not found: Table {PROJECT}:{dataset}.{table}")
        return _held(body["permissions"], self.held)

    def _region(self, _project: str, name: str, **_: Any) -> dict[str, Any]:
        if name != REGION:
            raise RefusedError(404, f"The resource 'projects/{PROJECT}/regions/{name}' was not found")
        quotas = [{"metric": metric, "limit": limit, "usage": usage} for metric, (limit, usage) in self.quotas.items()]
        return {"name": REGION, "quotas": quotas}

    def _subnetwork(self, _project: str, region: str, name: str, **_: Any) -> dict[str, Any]:
        return _known(self.subnetworks, (region, name), f"The subnetwork {name} was not found")

    def _network(self, _project: str, name: str, **_: Any) -> dict[str, Any]:
        return _known({name: {"name": name} for name in self.networks}, name, f"The network {name} was not found")

    def _account(self, email: str, **_: Any) -> dict[str, Any]:
        return _known(self.service_accounts, email, f"Service account {email} does not exist.")

    def _types(self, _project: str, zone: str, *, query: dict[str, list[str]], **_: Any) -> dict[str, Any]:
        names = _known(self.tpu_types, zone, f"Location {zone} is not found")
        return self._page("acceleratorTypes", [{"type": name} for name in names], query)

    def _versions(self, _project: str, zone: str, *, query: dict[str, list[str]], **_: Any) -> dict[str, Any]:
        names = _known(self.tpu_runtimes, zone, f"Location {zone} is not found")
        return self._page("runtimeVersions", [{"version": name} for name in names], query)

    def _page(self, key: str, entries: list[dict[str, Any]], query: dict[str, list[str]]) -> dict[str, Any]:
        begin = int(query.get("pageToken", ["0"])[0])
        end = begin + self.page_size
        return {key: entries[begin:end], **({"nextPageToken": str(end)} if end < len(entries) else {})}


def _known(things: Mapping[Any, Any], name: Any, message: str) -> Any:
    if name not in things:
        raise RefusedError(404, message)
    return things[name]


def _held(asked: list[str], held: set[str]) -> dict[str, Any]:
    """As testIamPermissions answers: no key where none is held."""
    found = [permission for permission in asked if permission in held]
    return {"permissions": found} if found else {}
