"""A fake of Cloud TPU (google.cloud.tpu.v2 over gRPC) in memory: queued resources, their nodes, and what they would cost.

States move one on at each GetQueuedResource: CREATING, ACCEPTED, WAITING_FOR_RESOURCES, PROVISIONING, ACTIVE. A deletion is
over `DELETE_SECONDS` after it was asked for; until then the resource is DELETING, and holds its quota, as FAILED and SUSPENDED
ones do. https://cloud.google.com/tpu/docs/queued-resources tells of the states.

Faults, beside those of `tests.fakes.faults`, of the call "tpu.CreateQueuedResource", that its resource meets later:

- "stuck": it waits in the queue until its valid_until_duration, then FAILED;
- "no_capacity": FAILED instead of PROVISIONING;
- "boot_failure": ACTIVE, but its start-up script is never run;
- "preempt": ``seconds`` after ACTIVE its node is PREEMPTED and its script killed; then SUSPENDING and SUSPENDED by SERVICE;
- "preempt_node", "terminate": the same, with a node PREEMPTED or TERMINATED below a resource that stays ACTIVE;
- "shut_down": as "preempt", but the script's processes get a SIGTERM, and a second to leave;
- "freeze": ``seconds`` after ACTIVE its script is killed, and all states stay as they were.

With ``execute`` a node runs its startup-script: in bash, in a HOME of its own, with this environment's programs first on PATH.
Over HTTP (`rest`) are what the script asks by curl: DELETE of a queued resource, and the metadata server's token.
"""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from concurrent import futures
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import grpc
from google.cloud.tpu_v2 import types
from google.cloud.tpu_v2.types import cloud_tpu
from google.longrunning import operations_pb2
from google.protobuf import empty_pb2
from google.rpc import code_pb2, status_pb2

from tests.fakes.faults import Fault, Faults
from tests.fakes.grpc_faults import lose, meet

DELETE_SECONDS = 0.1
ZONES: Mapping[str, tuple[str, ...]] = {
    "us-west4-a": ("v5litepod-4", "v5litepod-8", "v5litepod-16"),
    "us-central1-a": ("v5litepod-4", "v5litepod-8", "v6e-8"),
    "europe-west4-b": ("v5litepod-8", "v5p-8"),
}
RUNTIMES = ("tpu-vm-tf-2.17.0-pjrt", "v2-alpha-tpuv5", "v2-alpha-tpuv5-lite", "v2-alpha-tpuv6e")

_PATH = ("CREATING", "ACCEPTED", "WAITING_FOR_RESOURCES", "PROVISIONING", "ACTIVE")
_FATES = frozenset({"stuck", "no_capacity", "boot_failure", "preempt", "preempt_node", "terminate", "shut_down", "freeze"})
_NODE_STATES = {"preempt": "PREEMPTED", "preempt_node": "PREEMPTED", "terminate": "TERMINATED", "shut_down": "PREEMPTED"}
_IN_QUEUE = frozenset({"CREATING", "ACCEPTED", "FAILED", "SUSPENDED"})  # deleted without force


class Refusal(Exception):
    """An answer that is an error."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Entry:
    """A queued resource in the ledger. Times are of time.monotonic(), None where that has not come."""

    name: str
    accelerator_type: str
    spot: bool
    created: float
    active: float | None = None
    stopped: float | None = None
    gone: float | None = None

    @property
    def zone(self) -> str:
        return self.name.split("/")[3]

    @property
    def id(self) -> str:
        return self.name.rsplit("/", 1)[1]


@dataclass
class Ledger:
    """All that exists and ever existed."""

    entries: list[Entry] = field(default_factory=list)

    @property
    def existing(self) -> list[str]:
        """Names of what has not been deleted: empty at the end, or something leaks."""
        now = time.monotonic()
        return [entry.name for entry in self.entries if entry.gone is None or entry.gone > now]

    @property
    def most_at_once(self) -> int:
        """How many existed at the same time, at most."""
        marks = [(entry.created, 1) for entry in self.entries] + [(entry.gone, -1) for entry in self.entries if entry.gone]
        most = count = 0
        for _, change in sorted(marks):
            count += change
            most = max(most, count)
        return most

    @property
    def chip_seconds(self) -> float:
        """What would have been billed: from ACTIVE to the end of the node."""
        now = time.monotonic()
        return sum(
            chips_of(entry.accelerator_type) * ((entry.stopped or now) - entry.active) for entry in self.entries if entry.active
        )


@dataclass
class _Resource:
    message: types.QueuedResource
    entry: Entry
    fate: Fault | None
    node: types.Node | None = None
    process: "subprocess.Popen[bytes] | None" = None
    home: str = ""

    @property
    def state(self) -> str:
        return self.message.state.state.name

    def become(self, state: str, initiator: str = "SERVICE") -> None:
        self.message.state = types.QueuedResourceState(state=state, state_initiator=initiator)


class FakeCloudTpu:
    """The server. Use as a context manager, or call `start` and `stop`.

    Args:
        zones: accelerator types by zone; no others can be asked for.
        quota: chips that may exist in a zone at the same time.
        execute: whether nodes run their start-up scripts.
        environment: of these scripts, besides what points them to this fake.

    Attributes:
        endpoint: HOST:PORT of the gRPC server, for THREADMILL_TPU_ENDPOINT.
        rest: http://HOST:PORT of the other, for THREADMILL_TPU_REST; its HOST:PORT for GCE_METADATA_HOST.
        outputs: what the start-up scripts wrote, by the id of the queued resource.
    """

    def __init__(
        self,
        zones: Mapping[str, tuple[str, ...]] = ZONES,
        quota: Mapping[str, int] | None = None,
        *,
        execute: bool = False,
        environment: Mapping[str, str] | None = None,
        page_size: int = 2,
    ) -> None:
        self.zones, self.quota, self.execute, self.environment = zones, quota or {}, execute, dict(environment or {})
        self.faults, self.ledger = Faults(), Ledger()
        self.outputs: dict[str, Path] = {}
        self.endpoint = self.rest = ""
        self._page_size = page_size
        self._resources: dict[str, _Resource] = {}
        self._requests: dict[str, operations_pb2.Operation] = {}
        self._operations: dict[str, operations_pb2.Operation] = {}
        self._timers: list[threading.Timer] = []
        self._lock = threading.RLock()

    def __enter__(self) -> "FakeCloudTpu":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        """Serves on two free ports of this machine."""
        self._folder = tempfile.mkdtemp(prefix="fake-tpu-")
        self._server = grpc.server(futures.ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers((_Rpcs(self),))
        self.endpoint = f"localhost:{self._server.add_insecure_port('localhost:0')}"
        self._server.start()
        self._http = ThreadingHTTPServer(("localhost", 0), _http_handler(self))
        self.rest = f"http://localhost:{self._http.server_address[1]}"
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Ends all, with what the nodes run."""
        for timer in self._timers:
            timer.cancel()
        with self._lock:
            for resource in self._resources.values():
                _end(resource)
        self._server.stop(0).wait()
        self._http.shutdown()
        self._http.server_close()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def variables(self) -> dict[str, str]:
        """The environment variables by which clients find this fake."""
        metadata = self.rest.removeprefix("http://")
        return {"THREADMILL_TPU_ENDPOINT": self.endpoint, "THREADMILL_TPU_REST": self.rest, "GCE_METADATA_HOST": metadata}

    def get(self, name: str) -> types.QueuedResource:
        """A queued resource as it is, without moving it on."""
        return self._resources[name].message

    def node(self, name: str) -> types.Node | None:
        """The node of the queued resource of that name."""
        return self._resources[name].node

    def call(self, method: str, request: Any, context: Any) -> Any:
        """Answers a call, or meets its fault."""
        fault = self.faults.take(f"tpu.{method}")
        meet(fault, context)
        try:
            with self._lock:
                self._forget_deleted()
                answer = self._METHODS[method](self, request, fault if fault and fault.kind in _FATES else None)
        except Refusal as refusal:
            context.abort(refusal.code, str(refusal))
        lose(fault, context)
        return answer

    def preempt(self, name: str, kind: str = "preempt") -> None:
        """Takes an ACTIVE resource's node away now, as the fault of that name does."""
        resource = self._resources.get(name)
        if resource is None or resource.node is None:
            return
        _end(resource, gently=kind == "shut_down")  # without the lock: what leaves may have calls to make
        with self._lock:
            if kind in _NODE_STATES:
                resource.node.state = types.Node.State[_NODE_STATES[kind]]
                resource.entry.stopped = resource.entry.stopped or time.monotonic()
            if kind in ("preempt", "shut_down") and resource.state == "ACTIVE":
                resource.become("SUSPENDING")

    # Queued resources.

    def _create(self, request: types.CreateQueuedResourceRequest, fate: Fault | None) -> operations_pb2.Operation:
        if request.request_id and request.request_id in self._requests:
            return self._requests[request.request_id]
        name = f"{request.parent}/queuedResources/{request.queued_resource_id}"
        if name in self._resources:
            raise Refusal(grpc.StatusCode.ALREADY_EXISTS, f"Resource '{name}' already exists")
        spec = self._checked(request)
        self._check_quota(request.parent, spec.node.accelerator_type)
        message = types.QueuedResource(request.queued_resource)
        message.name, message.create_time = name, datetime.now(UTC)
        entry = Entry(name, spec.node.accelerator_type, "spot" in message, time.monotonic())
        resource = _Resource(message, entry, fate)
        resource.become("CREATING", "USER")
        self._resources[name] = resource
        self.ledger.entries.append(entry)
        operation = self._operation(types.QueuedResource.pb(message))
        if request.request_id:
            self._requests[request.request_id] = operation
        return operation

    def _checked(self, request: types.CreateQueuedResourceRequest) -> Any:
        zone, specs = request.parent.rsplit("/", 1)[1], request.queued_resource.tpu.node_spec
        if zone not in self.zones:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, f"Location {zone} is not found or access is unauthorized.")
        if len(specs) != 1 or not specs[0].node_id or specs[0].parent != request.parent:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "one node_spec with a node_id and the parent is wanted")
        node = specs[0].node
        if node.accelerator_type not in self.zones[zone]:
            message = f'Accelerator type "{node.accelerator_type}" is not available in zone {zone}'
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, message)
        if node.runtime_version not in RUNTIMES:
            raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, f'Runtime version "{node.runtime_version}" is not found')
        return specs[0]

    def _check_quota(self, parent: str, accelerator_type: str) -> None:
        zone = parent.rsplit("/", 1)[1]
        used = sum(
            chips_of(resource.entry.accelerator_type) for resource in self._resources.values() if resource.entry.zone == zone
        )
        limit = self.quota.get(zone)
        if limit is not None and used + chips_of(accelerator_type) > limit:
            message = f"Quota limit 'TPUV5sPreemptibleLitepodPerProjectPerZone' has been exceeded. Limit: {limit} in zone {zone}."
            raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, message)

    def _get(self, request: types.GetQueuedResourceRequest, _: Fault | None) -> types.QueuedResource:
        resource = self._resource(request.name)
        self._move_on(resource)
        return resource.message

    def _move_on(self, resource: _Resource) -> None:
        state, fate = resource.state, resource.fate.kind if resource.fate else ""
        if state == "SUSPENDING":
            resource.become("SUSPENDED")
            return
        if state not in _PATH[:-1]:
            return
        after = _PATH[_PATH.index(state) + 1]
        if after == "PROVISIONING" and fate == "stuck":
            if self._is_overdue(resource):
                _fail(resource, code_pb2.DEADLINE_EXCEEDED, "The request could not be fulfilled before its valid until time.")
            return
        if after == "PROVISIONING" and fate == "no_capacity":
            zone = resource.entry.zone
            _fail(
                resource,
                code_pb2.RESOURCE_EXHAUSTED,
                f'There is no more capacity in the zone "{zone}"; you can try in another zone',
            )
            return
        resource.become(after, "USER" if after == "ACCEPTED" else "SERVICE")
        if after == "ACTIVE":
            self._activate(resource)

    def _is_overdue(self, resource: _Resource) -> bool:
        allowed = resource.message.queueing_policy.valid_until_duration.total_seconds()
        return allowed > 0 and time.monotonic() - resource.entry.created > allowed

    def _activate(self, resource: _Resource) -> None:
        spec, entry = resource.message.tpu.node_spec[0], resource.entry
        node = types.Node(spec.node)
        node.name, node.queued_resource = f"{spec.parent}/nodes/{spec.node_id}", entry.name
        node.state, node.health, node.create_time = types.Node.State.READY, types.Node.Health.HEALTHY, datetime.now(UTC)
        node.network_endpoints = [types.NetworkEndpoint(ip_address="10.0.0.2", port=8470)]
        resource.node, entry.active = node, time.monotonic()
        fate = resource.fate
        if self.execute and (fate is None or fate.kind != "boot_failure"):
            self._run(resource)
        if fate is not None and fate.kind in ("preempt", "preempt_node", "terminate", "shut_down", "freeze"):
            timer = threading.Timer(fate.seconds, self.preempt, (entry.name, fate.kind))
            timer.daemon = True
            self._timers.append(timer)
            timer.start()

    def _run(self, resource: _Resource) -> None:
        """As the guest agent does at boot: the script from the metadata, whatever its shebang asks for."""
        name = resource.entry.id
        resource.home = tempfile.mkdtemp(dir=self._folder)
        script, output = Path(resource.home, "startup-script"), Path(self._folder, f"{name}.log")
        script.write_text(resource.message.tpu.node_spec[0].node.metadata["startup-script"])
        script.chmod(0o755)
        self.outputs[name] = output
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        kept = {key: value for key, value in os.environ.items() if key.startswith("STORAGE_EMULATOR") or key == "LD_LIBRARY_PATH"}
        environment = {**kept, **self.variables, **self.environment, "PATH": path, "HOME": resource.home, "TMPDIR": resource.home}
        with open(output, "ab") as stream:
            resource.process = subprocess.Popen(
                [str(script)], cwd=resource.home, env=environment, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream,
                start_new_session=True,
            )  # fmt: skip

    def _delete(self, request: types.DeleteQueuedResourceRequest, _: Fault | None) -> operations_pb2.Operation:
        resource = self._resource(request.name)
        if not request.force and resource.state not in _IN_QUEUE:
            message = f"Resource '{request.name}' is {resource.state}: it has nodes, which are deleted with force only"
            raise Refusal(grpc.StatusCode.FAILED_PRECONDITION, message)
        if resource.state != "DELETING":
            resource.become("DELETING", "USER")
            _end(resource)
            resource.entry.stopped = resource.entry.stopped or time.monotonic()
            resource.entry.gone = time.monotonic() + DELETE_SECONDS
        return self._operation(empty_pb2.Empty())

    def _list(self, request: types.ListQueuedResourcesRequest, _: Fault | None) -> types.ListQueuedResourcesResponse:
        found = [resource.message for resource in self._below(request.parent)]
        page, token = self._page(found, request.page_token)
        return types.ListQueuedResourcesResponse(queued_resources=page, next_page_token=token)

    # Nodes.

    def _get_node(self, request: types.GetNodeRequest, _: Fault | None) -> types.Node:
        for resource in self._resources.values():
            if resource.node is not None and resource.node.name == request.name:
                return resource.node
        raise Refusal(grpc.StatusCode.NOT_FOUND, f"Resource '{request.name}' was not found")

    def _list_nodes(self, request: types.ListNodesRequest, _: Fault | None) -> types.ListNodesResponse:
        page, token = self._page([node for r in self._below(request.parent) if (node := r.node)], request.page_token)
        return types.ListNodesResponse(nodes=page, next_page_token=token)

    def _delete_node(self, request: types.DeleteNodeRequest, _: Fault | None) -> operations_pb2.Operation:
        node = self._get_node(types.GetNodeRequest(name=request.name), None)
        raise Refusal(
            grpc.StatusCode.FAILED_PRECONDITION,
            f"Node {node.name} belongs to the queued resource {node.queued_resource}; delete that one",
        )

    # What there is to choose from.

    def _list_types(self, request: types.ListAcceleratorTypesRequest, _: Fault | None) -> types.ListAcceleratorTypesResponse:
        names = self._offered(request.parent)
        found = [types.AcceleratorType(name=f"{request.parent}/acceleratorTypes/{name}", type_=name) for name in names]
        page, token = self._page(found, request.page_token)
        return types.ListAcceleratorTypesResponse(accelerator_types=page, next_page_token=token)

    def _get_type(self, request: types.GetAcceleratorTypeRequest, _: Fault | None) -> types.AcceleratorType:
        parent, _, name = request.name.rsplit("/", 2)
        if name not in self._offered(parent):
            raise Refusal(grpc.StatusCode.NOT_FOUND, f"Resource '{request.name}' was not found")
        return types.AcceleratorType(name=request.name, type_=name)

    def _list_versions(self, request: types.ListRuntimeVersionsRequest, _: Fault | None) -> types.ListRuntimeVersionsResponse:
        found = [types.RuntimeVersion(name=f"{request.parent}/runtimeVersions/{name}", version=name) for name in RUNTIMES]
        page, token = self._page(found, request.page_token)
        return types.ListRuntimeVersionsResponse(runtime_versions=page, next_page_token=token)

    def _get_version(self, request: types.GetRuntimeVersionRequest, _: Fault | None) -> types.RuntimeVersion:
        name = request.name.rsplit("/", 1)[1]
        if name not in RUNTIMES:
            raise Refusal(grpc.StatusCode.NOT_FOUND, f"Resource '{request.name}' was not found")
        return types.RuntimeVersion(name=request.name, version=name)

    def _get_operation(self, request: Any, _: Fault | None) -> operations_pb2.Operation:
        return self._operations[request.name]

    # Common to them.

    def _resource(self, name: str) -> _Resource:
        if name not in self._resources:
            raise Refusal(grpc.StatusCode.NOT_FOUND, f"Resource '{name}' was not found")
        return self._resources[name]

    def _below(self, parent: str) -> list[_Resource]:
        zone = parent.rsplit("/", 1)[1]
        return [resource for resource in self._resources.values() if zone in ("-", resource.entry.zone)]

    def _offered(self, parent: str) -> tuple[str, ...]:
        zone = parent.rsplit("/", 1)[1]
        if zone not in self.zones:
            raise Refusal(grpc.StatusCode.PERMISSION_DENIED, f"Location {zone} is not found or access is unauthorized.")
        return self.zones[zone]

    def _page(self, found: list[Any], token: str) -> tuple[list[Any], str]:
        start = int(token or 0)
        end = start + self._page_size
        return found[start:end], str(end) if end < len(found) else ""

    def _operation(self, response: Any) -> operations_pb2.Operation:
        name = f"projects/p1/locations/z/operations/operation-{len(self._operations)}"
        self._operations[name] = operation = operations_pb2.Operation(name=name, done=True)
        operation.response.Pack(response)
        return operation

    def _forget_deleted(self) -> None:
        now = time.monotonic()
        for name, resource in list(self._resources.items()):
            if resource.entry.gone is not None and resource.entry.gone <= now:
                del self._resources[name]

    _METHODS: Mapping[str, Callable[..., Any]] = {
        "CreateQueuedResource": _create,
        "GetQueuedResource": _get,
        "ListQueuedResources": _list,
        "DeleteQueuedResource": _delete,
        "GetNode": _get_node,
        "ListNodes": _list_nodes,
        "DeleteNode": _delete_node,
        "ListAcceleratorTypes": _list_types,
        "GetAcceleratorType": _get_type,
        "ListRuntimeVersions": _list_versions,
        "GetRuntimeVersion": _get_version,
        "GetOperation": _get_operation,
    }


class _Rpcs(grpc.GenericRpcHandler):
    """Every method of the service by its name; the client's own types read and write the messages."""

    def __init__(self, fake: FakeCloudTpu) -> None:
        self._fake = fake

    def service(self, details: Any) -> Any:
        service, method = details.method.lstrip("/").split("/")
        if method not in self._fake._METHODS:
            return None  # UNIMPLEMENTED
        kind = operations_pb2 if service == "google.longrunning.Operations" else cloud_tpu
        request = getattr(kind, f"{method}Request")
        read = request.FromString if kind is operations_pb2 else request.deserialize
        return grpc.unary_unary_rpc_method_handler(
            lambda message, context: self._fake.call(method, message, context),
            request_deserializer=read,
            response_serializer=_serialise,
        )


def _serialise(message: Any) -> bytes:
    pb = getattr(type(message), "pb", None)
    return bytes((pb(message) if pb else message).SerializeToString())


def _http_handler(fake: FakeCloudTpu) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Metadata-Flavor") != "Google" or not self.path.endswith("/token"):
                self._answer(404, "{}")
                return
            self._answer(200, '{"access_token": "fake-token", "expires_in": 3599, "token_type": "Bearer"}')

        def do_DELETE(self) -> None:
            path, _, query = self.path.partition("?")
            request = types.DeleteQueuedResourceRequest(name=path.removeprefix("/v2/"), force="force=true" in query)
            fault = fake.faults.take("tpu.rest.DeleteQueuedResource")
            if fault:
                self._answer(int(fault.kind), "{}")
                return
            self._answer(200 if self._deleted(request) else 404, "{}")

        def _deleted(self, request: Any) -> bool:
            with suppress(Refusal), fake._lock:
                fake._forget_deleted()
                fake._delete(request, None)
                return True
            return False

        def _answer(self, code: int, content: str) -> None:
            self.send_response(code)
            self.send_header("Metadata-Flavor", "Google")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            with suppress(OSError):  # who asked for its own end is gone by now
                self.wfile.write(content.encode())

        def log_message(self, *_: Any) -> None:
            """Nothing on the tests' output."""

    return Handler


def _fail(resource: _Resource, code: int, message: str) -> None:
    error = status_pb2.Status(code=code, message=message)
    data = types.QueuedResourceState.FailedData(error=error)
    resource.message.state = types.QueuedResourceState(state="FAILED", state_initiator="SERVICE", failed_data=data)


def _end(resource: _Resource, *, gently: bool = False) -> None:
    """Ends what a node runs."""
    process = resource.process
    if process is None:
        return
    if gently:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    shutil.rmtree(resource.home, ignore_errors=True)


def chips_of(accelerator_type: str) -> int:
    """Chips of a TPU: v5litepod and v6e are named by chips, the others by cores, two a chip."""
    version, _, number = accelerator_type.rpartition("-")
    return int(number) if version in ("v5litepod", "v6e") else int(number) // 2
