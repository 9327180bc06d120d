"""A fake of Vertex AI's custom jobs (google.cloud.aiplatform.v1.JobService over gRPC) in memory.

States move one on at each GetCustomJob: QUEUED, PENDING, RUNNING; a job that runs ends when `end` is called, or its fate comes.
https://cloud.google.com/vertex-ai/docs/reference/rest/v1/projects.locations.customJobs tells of the states.

Faults, beside those of `tests.fakes.faults`, of the call "vertex.CreateCustomJob", that its job meets when it would run:
"preempt" (FAILED, as spot capacity was taken back), "no_capacity" (FAILED, RESOURCE_EXHAUSTED), "expire" (EXPIRED in the queue).
"""

import threading
from concurrent import futures
from datetime import UTC, datetime
from typing import Any

import grpc
from google.cloud import aiplatform_v1 as vertex
from google.protobuf import empty_pb2
from google.rpc import code_pb2, status_pb2

from tests.fakes.faults import Fault, Faults
from tests.fakes.grpc_faults import lose, meet

_PATH = ("JOB_STATE_QUEUED", "JOB_STATE_PENDING", "JOB_STATE_RUNNING")
_FATES = {
    "preempt": ("JOB_STATE_FAILED", code_pb2.UNKNOWN, "The replica workerpool0-0 was preempted: Spot capacity was reclaimed."),
    "no_capacity": ("JOB_STATE_FAILED", code_pb2.RESOURCE_EXHAUSTED, "Resources are insufficient in region: us-west4."),
    "expire": ("JOB_STATE_EXPIRED", code_pb2.DEADLINE_EXCEEDED, ""),
}


class FakeVertex:
    """The server. Use as a context manager.

    Attributes:
        endpoint: HOST:PORT, for THREADMILL_VERTEX_ENDPOINT.
        jobs: all that were ever made, by name.
    """

    def __init__(self) -> None:
        self.faults = Faults()
        self.jobs: dict[str, vertex.CustomJob] = {}
        self._fates: dict[str, Fault] = {}
        self._lock = threading.RLock()
        self.endpoint = ""

    def __enter__(self) -> "FakeVertex":
        self._server = grpc.server(futures.ThreadPoolExecutor(4))
        self._server.add_generic_rpc_handlers((_Rpcs(self),))
        self.endpoint = f"localhost:{self._server.add_insecure_port('localhost:0')}"
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.stop(0).wait()

    @property
    def active(self) -> list[str]:
        """Names of the jobs that have not ended: empty at the end, or something leaks."""
        return [name for name, job in self.jobs.items() if job.state.name in _PATH]

    def end(self, name: str, state: str = "JOB_STATE_SUCCEEDED", code: int = 0, message: str = "") -> None:
        """Ends a job."""
        with self._lock:
            job = self.jobs[name]
            job.state = vertex.JobState[state]
            job.end_time = datetime.now(UTC)
            if code:
                job.error = status_pb2.Status(code=code, message=message)

    def call(self, method: str, request: Any, context: Any) -> Any:
        """Answers a call, or meets its fault."""
        fault = self.faults.take(f"vertex.{method}")
        meet(fault, context)
        with self._lock:
            answer = getattr(self, f"_{method}")(request, fault, context)
        lose(fault, context)
        return answer

    def _CreateCustomJob(self, request: Any, fault: Fault | None, context: Any) -> vertex.CustomJob:
        job = vertex.CustomJob(request.custom_job)
        if not job.job_spec.worker_pool_specs[0].container_spec.image_uri:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "container_spec.image_uri is required")
        job.name = f"{request.parent}/customJobs/{1000 + len(self.jobs)}"
        job.state, job.create_time = vertex.JobState.JOB_STATE_QUEUED, datetime.now(UTC)
        self.jobs[job.name] = job
        if fault and fault.kind in _FATES:
            self._fates[job.name] = fault
        return job

    def _GetCustomJob(self, request: Any, fault: Fault | None, context: Any) -> vertex.CustomJob:
        job = self._job(request.name, context)
        state = job.state.name
        if state not in _PATH[:-1]:
            return job
        if state == "JOB_STATE_PENDING" and job.name in self._fates:
            self.end(job.name, *_FATES[self._fates[job.name].kind])
        else:
            job.state = vertex.JobState[_PATH[_PATH.index(state) + 1]]
        return job

    def _ListCustomJobs(self, request: Any, fault: Fault | None, context: Any) -> vertex.ListCustomJobsResponse:
        wanted = request.filter.partition('display_name="')[2].rstrip('"')
        found = [job for job in self.jobs.values() if not wanted or job.display_name == wanted]
        return vertex.ListCustomJobsResponse(custom_jobs=found)

    def _CancelCustomJob(self, request: Any, fault: Fault | None, context: Any) -> empty_pb2.Empty:
        if self._job(request.name, context).state.name in _PATH:
            self.end(request.name, "JOB_STATE_CANCELLED")
        return empty_pb2.Empty()

    def _job(self, name: str, context: Any) -> vertex.CustomJob:
        if name not in self.jobs:
            context.abort(grpc.StatusCode.NOT_FOUND, f"CustomJob {name} is not found")
        return self.jobs[name]


class _Rpcs(grpc.GenericRpcHandler):
    def __init__(self, fake: FakeVertex) -> None:
        self._fake = fake

    def service(self, details: Any) -> Any:
        method = details.method.rsplit("/", 1)[1]
        if not hasattr(self._fake, f"_{method}"):
            return None  # UNIMPLEMENTED
        return grpc.unary_unary_rpc_method_handler(
            lambda message, context: self._fake.call(method, message, context),
            request_deserializer=getattr(vertex, f"{method}Request").deserialize,
            response_serializer=_serialise,
        )


def _serialise(message: Any) -> bytes:
    pb = getattr(type(message), "pb", None)
    return bytes((pb(message) if pb else message).SerializeToString())
