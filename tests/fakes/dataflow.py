"""A fake of Dataflow's REST API (https://cloud.google.com/dataflow/docs/reference/rest/v1b3) over loopback, with faults.

Within a test: ``with FakeDataflow() as dataflow:`` and THREADMILL_DATAFLOW_ENDPOINT=dataflow.url. A job is PENDING, then
RUNNING, then over, a step a look (`get`), and does nothing; with ``execute=True`` its graph is fetched from (fake) Cloud Storage
and run, and the job is over when that is.

Calls, as Faults names them: dataflow.jobs.create, get, list, update; dataflow.jobs.messages, dataflow.jobs.metrics. Kinds beside
those of every fake, for create: "failed", "cancelled", "stuck": the job is made, and ends so, or never; "existing": where the
name is taken, the active job is the answer, as it once was, instead of 409.

Modelled: one active job of a name (409 for a second); a request id that is known gives the job that it made; paging; an ended
job changes no more. Not modelled: updates, drains, snapshots, templates.
"""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from google.cloud import dataflow
from google.protobuf import json_format

from tests.fakes.faults import Fault, Faults
from tests.fakes.rest import Answer, Lost, Request, RestServer

_PAGE = 2  # small: callers must turn pages
_PLANNED = {"failed", "cancelled", "stuck"}
_STATUS = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 409: "ALREADY_EXISTS", 429: "RESOURCE_EXHAUSTED"}
_SEVERITY = [f"JOB_MESSAGE_{name}" for name in ("IMPORTANCE_UNKNOWN", "DEBUG", "DETAILED", "BASIC", "WARNING", "ERROR")]
_ENDED = ("DONE", "FAILED", "CANCELLED")
_REPOSITORY = Path(__file__).parents[2]


@dataclass
class FakeJob:
    """A job as it was submitted, and what became of it.

    Attributes:
        body: of the request, enumerations by name.
        plan: "" for a job that goes well; "failed", "cancelled", "stuck".
    """

    id: str
    body: dict[str, Any]
    plan: str = ""
    state: str = "PENDING"
    messages: list[dict[str, Any]] = field(default_factory=list)
    metrics: list[dict[str, Any]] = field(default_factory=list)
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    changed: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def name(self) -> str:
        return str(self.body["name"])

    @property
    def is_active(self) -> bool:
        return self.state not in _ENDED

    @property
    def pool(self) -> dict[str, Any]:
        """What was asked for in workers."""
        pool: dict[str, Any] = self.body["environment"]["workerPools"][0]
        return pool

    @property
    def options(self) -> dict[str, Any]:
        """Beam's options, as the workers are told."""
        options: dict[str, Any] = self.body["environment"]["sdkPipelineOptions"]["options"]
        return options

    def tell(self, text: str, importance: str = "JOB_MESSAGE_BASIC") -> None:
        """Adds to its log; two messages may have the same time."""
        time = _time(self.created + timedelta(seconds=len(self.messages) // 2))
        number = f"{len(self.messages):04d}"
        self.messages.append({"id": number, "time": time, "messageText": text, "messageImportance": importance})

    def become(self, state: str) -> None:
        """Another state; one that has ended stays as it is."""
        if self.is_active and state != self.state:
            self.state, self.changed = state, datetime.now(UTC)
            self.tell(f"Job is {state}.")

    def to_json(self, *, whole: bool = False) -> dict[str, Any]:
        shown = dict(self.body)
        environment = shown.pop("environment")
        if whole:
            shown["environment"] = {
                key: environment[key] for key in ("tempStoragePrefix", "serviceAccountEmail") if key in environment
            }
        times = {"createTime": self.created, "startTime": self.created, "currentStateTime": self.changed}
        return {
            **shown,
            "id": self.id,
            "currentState": f"JOB_STATE_{self.state}",
            **{key: _time(time) for key, time in times.items()},
        }


@dataclass
class Ledger:
    """All jobs that were ever made, in order."""

    jobs: list[FakeJob] = field(default_factory=list)

    @property
    def active(self) -> list[FakeJob]:
        return [job for job in self.jobs if job.is_active]

    @property
    def cancelled(self) -> list[FakeJob]:
        return [job for job in self.jobs if job.state == "CANCELLED"]

    def find(self, job_id: str) -> FakeJob:
        for job in self.jobs:
            if job.id == job_id:
                return job
        raise Refused(404, f"({job_id}): Information about job {job_id} could not be found in our system.")


class Refused(Exception):
    """An answer that is an error of the API."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class FakeDataflow(RestServer):
    """The service, for THREADMILL_DATAFLOW_ENDPOINT. Threads may call it side by side.

    Args:
        execute: run what is submitted.
        environment: variables of the process that does, besides this one's of the time when the first job is made.
    """

    def __init__(
        self, *, execute: bool = False, environment: dict[str, str] | None = None, faults: Faults | None = None, port: int = 0
    ) -> None:
        super().__init__(port)
        self.faults, self.ledger = faults or Faults(), Ledger()
        self._machine = Machine(environment or {}) if execute else None
        self._lock = threading.RLock()

    def stop(self) -> None:
        """Answers no more, and ends what runs."""
        super().stop()
        if self._machine is not None:
            self._machine.stop()

    def handle(self, request: Request) -> Answer:
        """Answers one call."""
        try:
            call, function, arguments = self._route(request)
            fault = self.faults.take(call)
            planned = self._meet(fault)
            with self._lock:
                answer = function(request, *arguments, planned) if call.endswith("create") else function(request, *arguments)
            if planned == "lost_response":
                raise Lost
            return Answer(json=answer)
        except Refused as refused:
            status = _STATUS.get(refused.code, "UNAVAILABLE")
            return Answer(refused.code, json={"error": {"code": refused.code, "message": str(refused), "status": status}})

    def _route(self, request: Request) -> tuple[str, Callable[..., Any], list[str]]:
        parts = request.path.strip("/").split("/")
        if parts[:2] != ["v1b3", "projects"] or parts[3:4] != ["locations"] or parts[5:6] != ["jobs"]:
            raise Refused(404, f"{request.method} {request.path} is no call of this fake")
        routes: dict[tuple[str, int, str], tuple[str, Callable[..., Any]]] = {
            ("POST", 6, ""): ("create", self.create),
            ("GET", 6, ""): ("list", self.list),
            ("GET", 7, ""): ("get", self.get),
            ("PUT", 7, ""): ("update", self.update),
            ("GET", 8, "messages"): ("messages", self.messages),
            ("GET", 8, "metrics"): ("metrics", self.metrics),
        }
        key = (request.method, len(parts), parts[7] if len(parts) > 7 else "")
        if key not in routes:
            raise Refused(404, f"{request.method} {request.path} is no call of this fake")
        call, function = routes[key]
        return f"dataflow.jobs.{call}", function, [parts[2], parts[4]] if len(parts) == 6 else [parts[6]]

    def _meet(self, fault: Fault | None) -> str:
        if fault is None:
            return ""
        if fault.kind == "timeout":
            threading.Event().wait(fault.seconds)
            raise Lost
        if fault.kind.isdigit():
            raise Refused(int(fault.kind), f"({fault.kind}): a planned fault.")
        return fault.kind

    def create(self, request: Request, project: str, location: str, planned: str) -> dict[str, Any]:
        """jobs.create."""
        body = _by_name(dataflow.Job, request.bytes())
        request_id = body.get("clientRequestId")
        for job in self.ledger.jobs:
            if request_id and job.body.get("clientRequestId") == request_id:
                return job.to_json()
        for job in self.ledger.active:
            if (job.name, job.body["location"]) == (body["name"], location):
                if planned == "existing":
                    return job.to_json()
                raise Refused(
                    409,
                    f"(a8f47b4f3654731d): There is already an active job named {job.name}. If you want to submit a second job, "
                    "try again by setting a different name.",
                )
        job_id = f"{datetime.now(UTC):%Y-%m-%d_%H_%M_%S}-{len(self.ledger.jobs) + 1}"
        job = FakeJob(job_id, {**body, "projectId": project, "location": location}, planned if planned in _PLANNED else "")
        job.tell("Worker configuration: " + str(job.pool.get("machineType", "")))
        self.ledger.jobs.append(job)
        if self._machine is not None and not job.plan:
            self._machine.take(job)
        return job.to_json()

    def list(self, request: Request, project: str, location: str) -> dict[str, Any]:
        """jobs.list, newest first."""
        wanted = request.query.get("filter", "ALL")
        wanted = dataflow.ListJobsRequest.Filter(int(wanted)).name if wanted.isdigit() else wanted
        jobs = [
            job.to_json()
            for job in reversed(self.ledger.jobs)
            if (job.body["projectId"], job.body["location"]) == (project, location)
            and request.query.get("name", job.name) == job.name
            and (wanted not in ("ACTIVE", "TERMINATED") or job.is_active == (wanted == "ACTIVE"))
        ]
        return _page(request, "jobs", jobs)

    def get(self, request: Request, job_id: str) -> dict[str, Any]:
        """jobs.get; where nothing is run, time passes by being looked at."""
        job = self.ledger.find(job_id)
        view = request.query.get("view", "")
        answer = job.to_json(whole=view in ("JOB_VIEW_ALL", "JOB_VIEW_DESCRIPTION", "2", "3"))
        if job.state == "CANCELLING":
            job.become("CANCELLED")
        elif self._machine is None or job.plan:
            self._pass_time(job)
        return answer

    def _pass_time(self, job: FakeJob) -> None:
        if job.state == "PENDING":
            job.become("RUNNING")
        elif job.is_active and job.plan != "stuck":
            if job.plan == "failed":
                job.tell("Workflow failed. Causes: the workers could not be started.", "JOB_MESSAGE_ERROR")
            job.become({"failed": "FAILED", "cancelled": "CANCELLED"}.get(job.plan, "DONE"))

    def update(self, request: Request, job_id: str) -> dict[str, Any]:
        """jobs.update, of which only the request to cancel."""
        job = self.ledger.find(job_id)
        requested = _by_name(dataflow.Job, request.bytes()).get("requestedState")
        if requested != "JOB_STATE_CANCELLED":
            raise Refused(400, f"({job_id}): this fake only cancels, not {requested}.")
        if not job.is_active:
            raise Refused(400, f"({job_id}): Could not cancel the job: it is in a terminal state.")
        if self._machine is not None:
            self._machine.drop(job)
        job.become("CANCELLING")
        return job.to_json()

    def messages(self, request: Request, job_id: str) -> dict[str, Any]:
        """jobs.messages.list."""
        least = request.query.get("minimumImportance", "0")
        least = dataflow.JobMessageImportance(int(least)).name if least.isdigit() else least  # its numbers are in no order
        shown = _SEVERITY[_SEVERITY.index(least) :]
        since = request.query.get("startTime", "")
        messages = [
            message
            for message in self.ledger.find(job_id).messages
            if message["messageImportance"] in shown and message["time"] >= since
        ]
        return _page(request, "jobMessages", messages)

    def metrics(self, request: Request, job_id: str) -> dict[str, Any]:
        """jobs.getMetrics."""
        return {"metricTime": _time(datetime.now(UTC)), "metrics": self.ledger.find(job_id).metrics}


class Machine:
    """Runs graphs in a process of its own, one after the other; the process is ended with a job that is cancelled."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self._jobs: queue.Queue[FakeJob | None] = queue.Queue()
        self._process: subprocess.Popen[str] | None = None
        self._current: FakeJob | None = None
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def take(self, job: FakeJob) -> None:
        """Runs a job when those before it are over."""
        with self._lock:
            self._start()  # imports while the caller goes on
        self._jobs.put(job)

    def drop(self, job: FakeJob) -> None:
        """Ends a job at once, as if its machines were gone."""
        with self._lock:
            if self._current is job and self._process is not None:
                self._process.kill()

    def stop(self) -> None:
        self._jobs.put(None)
        with self._lock:
            if self._process is not None:
                self._process.kill()
                self._process.wait()
        self._thread.join()

    def _start(self) -> "subprocess.Popen[str]":
        if self._process is None or self._process.poll() is not None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fakes.dataflow_worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd=_REPOSITORY,
                env={**os.environ, **self._environment},
            )
        return self._process

    def _work(self) -> None:
        while job := self._jobs.get():
            if job.state != "PENDING":
                continue
            job.become("RUNNING")
            with self._lock:
                self._current, process = job, self._start()
            answer = self._ask(process, job.options["pipelineUrl"])
            with self._lock:
                self._current = None
            self._end(job, answer)

    def _ask(self, process: "subprocess.Popen[str]", pipeline: str) -> dict[str, Any] | None:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(json.dumps({"pipeline": pipeline}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except OSError:
            line = ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        process.wait()
        return None

    def _end(self, job: FakeJob, answer: dict[str, Any] | None) -> None:
        if answer is None:
            job.tell("The worker lost contact with the service.", "JOB_MESSAGE_ERROR")
            job.become("FAILED")
            return
        job.metrics.extend(_used(answer["seconds"]))
        job.metrics.extend(_counter(name, value) for name, value in answer["counters"].items())
        if answer["error"]:
            job.tell(answer["error"], "JOB_MESSAGE_ERROR")
        job.become("FAILED" if answer["error"] else "DONE")


def _used(seconds: float) -> list[dict[str, Any]]:
    """What one worker of one core, 4 GB of memory and 25 GB of disk uses."""
    values = {"TotalVcpuTime": seconds, "TotalMemoryUsage": 4096 * seconds, "TotalPdUsage": 25 * seconds}
    values["BillableShuffleDataProcessed"] = 0.001
    return [{"name": {"origin": "dataflow/v1b3", "name": name}, "scalar": value} for name, value in values.items()]


def _counter(name: str, value: int) -> dict[str, Any]:
    namespace, _, counter = name.partition("/")
    return {"name": {"origin": "user", "name": counter, "context": {"namespace": namespace, "step": "Process"}}, "scalar": value}


def _page(request: Request, key: str, items: list[dict[str, Any]]) -> dict[str, Any]:
    start = int(request.query.get("pageToken") or 0)
    answer: dict[str, Any] = {key: items[start : start + _PAGE]}
    if start + _PAGE < len(items):
        answer["nextPageToken"] = str(start + _PAGE)
    return answer


def _by_name(kind: Any, content: bytes) -> dict[str, Any]:
    """A message in JSON, whose enumerations come as numbers, with their names."""
    parsed: dict[str, Any] = json_format.MessageToDict(json_format.Parse(content, kind.pb(kind())))
    return parsed


def _time(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
