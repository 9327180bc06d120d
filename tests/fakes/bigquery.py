"""A fake of BigQuery's REST API (https://cloud.google.com/bigquery/docs/reference/rest) over loopback, with faults.

Jobs are its own: a job of a known id is refused with 409, one that is over is remembered, labels are kept, dry runs and byte caps
are of the tables' sizes, statistics tell what was billed. What jobs do, and tables, are a backend's: `Emulator` (bqemulator, over
Cloud Storage's files; tests/fakes/bigquery_emulator.py) or `Memory` (no rows, for tests of jobs alone; bigquery_memory.py).

Calls, as Faults names them: bigquery.jobs.insert, get, list, cancel, getQueryResults; bigquery.datasets and bigquery.tables with
.get, .insert, .list, .delete, .patch; bigquery.tabledata.list, insertAll. Kinds beside those of every fake, all of
bigquery.jobs.insert: "failed": the job does nothing and ends with backendError; "cancelled": somebody cancels it; "slow": it is
RUNNING for ``seconds`` before it begins; "rateLimit", "quota": 403 with these reasons.

The Storage Read API is the emulator's own, without faults: ``grpc`` is its address.
"""

import re
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from tests.fakes.faults import Fault, Faults
from tests.fakes.rest import Answer, Lost, Request, RestServer

MEGABYTE = 1_048_576
LEAST_BILLED = 10 * MEGABYTE  # of each table that a query reads
_REASONS = {
    400: "invalid",
    403: "accessDenied",
    404: "notFound",
    409: "duplicate",
    429: "rateLimitExceeded",
    500: "internalError",
    503: "backendError",
}
_KINDS = {"rateLimit": (403, "rateLimitExceeded"), "quota": (403, "quotaExceeded")}
_PATH = re.compile(
    r"/(?:upload/|resumable/upload/)?bigquery/v2/projects/(?P<project>[^/]+)/"
    r"(?P<kind>jobs|queries|datasets)(?:/(?P<name>[^/]+))?"
    r"(?:/(?P<part>tables|cancel|delete)(?:/(?P<table>[^/]+))?)?(?:/(?P<rows>data|insertAll))?"
)
_VERBS = {"GET": "get", "POST": "insert", "DELETE": "delete", "PATCH": "patch", "PUT": "patch"}


class Backend(Protocol):
    """What does the jobs, and has the tables."""

    grpc: str

    def run(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Does a job to its end; its resource, with ``status`` and ``statistics``."""

    def bytes_read(self, job: Mapping[str, Any]) -> list[int]:
        """The bytes that a query reads of each of its tables."""

    def location(self, dataset: str) -> str:
        """Where a dataset is; "" where there is none."""

    def answer(self, request: Request) -> Answer:
        """Answers all else."""

    def stop(self) -> None:
        """Ends it."""


@dataclass
class StartedJob:
    """A job.

    Attributes:
        ran: the backend has done it, well or not.
        over: set at its end.
    """

    resource: dict[str, Any]
    ran: bool = False
    over: threading.Event = field(default_factory=threading.Event)
    stop: threading.Event = field(default_factory=threading.Event)

    @property
    def what(self) -> str:
        """Its statement, or the table that it loads."""
        configuration = self.resource["configuration"]
        if "query" in configuration:
            return str(configuration["query"]["query"])
        table = configuration["load"]["destinationTable"]
        return f"load {table['datasetId']}.{table['tableId']}"


class FakeBigQuery(RestServer):
    """The server, for BIGQUERY_EMULATOR_HOST.

    Attributes:
        faults: what it does on purpose.
        jobs: the ledger: all that were started, by id.
    """

    def __init__(self, backend: Backend) -> None:
        super().__init__()
        self.backend = backend
        self.faults = Faults()
        self.jobs: dict[str, StartedJob] = {}
        self._lock = threading.Lock()

    @property
    def grpc(self) -> str:
        """HOST:PORT of the Storage Read API, for BIGQUERY_STORAGE_EMULATOR_HOST."""
        return self.backend.grpc

    @property
    def runs(self) -> Counter[str]:
        """How often each statement or load truly ran, by `StartedJob.what`."""
        return Counter(job.what for job in self.jobs.values() if job.ran)

    def forget_jobs(self) -> None:
        """As BigQuery does after half a year."""
        with self._lock:
            self.jobs.clear()

    def stop(self) -> None:
        """Answers no more, nor does what stands behind it."""
        super().stop()
        self.backend.stop()

    def handle(self, request: Request) -> Answer:
        match = _PATH.fullmatch(request.path)
        if match is None:
            return self.backend.answer(request)
        fault = self.faults.take(_call_name(request.method, match))
        early = _early_answer(fault)
        if early is not None:
            return early
        answer = self._answer(request, match, fault)
        if fault is not None and fault.kind == "lost_response":
            raise Lost
        return answer

    def _answer(self, request: Request, match: re.Match[str], fault: Fault | None) -> Answer:
        kind, name = match["kind"], match["name"]
        if kind == "queries" and name and request.method == "GET":
            job = self._find(name, request)
            if job is not None and not job.over.wait(min(int(request.query.get("timeoutMs", "10000")) / 1000, 10)):
                return Answer(json={"jobComplete": False, "jobReference": job.resource["jobReference"]})
        if kind != "jobs" or "upload" in request.path:
            return self.backend.answer(request)
        if request.method == "POST" and not name:
            return self._insert(request.json(), fault)
        if request.method == "GET" and not name:
            return self._list(request)
        job = self._find(name, request)
        if job is None:
            return refusal(404, f"Not found: Job {match['project']}:{name}")
        if match["part"] == "cancel":
            job.stop.set()
            return Answer(json={"kind": "bigquery#jobCancelResponse", "job": job.resource})
        return Answer(json=job.resource)

    def _find(self, name: str, request: Request) -> StartedJob | None:
        """A job outside of the US and the EU is found only by who names its location."""
        job = self.jobs.get(name)
        if job is None:
            return None
        location = job.resource["jobReference"]["location"]
        return job if request.query.get("location", "US").lower() == location.lower() else None

    def _list(self, request: Request) -> Answer:
        jobs = [{**job.resource, "state": job.resource["status"]["state"]} for job in reversed(self.jobs.values())]
        first, count = int(request.query.get("pageToken", 0)), int(request.query.get("maxResults", 50))
        body: dict[str, Any] = {"kind": "bigquery#jobList", "jobs": jobs[first : first + count]}
        if first + count < len(jobs):
            body["nextPageToken"] = str(first + count)
        return Answer(json=body)

    def _insert(self, body: dict[str, Any], fault: Fault | None) -> Answer:
        reference, configuration = body["jobReference"], body["configuration"]
        reference.setdefault("location", "US")
        if configuration.get("dryRun"):
            return self._dry_run(body)
        name = reference["jobId"]
        with self._lock:
            if name in self.jobs:
                return refusal(409, f"Already Exists: Job {reference['projectId']}:{reference['location']}.{name}")
            job = self.jobs[name] = StartedJob(_new_resource(reference, configuration))
        threading.Thread(target=self._run, args=(job, fault), daemon=True).start()
        return Answer(json=job.resource)

    def _dry_run(self, body: Mapping[str, Any]) -> Answer:
        read = sum(self.backend.bytes_read(body))
        resource = _new_resource(body["jobReference"], body["configuration"])
        resource["jobReference"] = {key: value for key, value in body["jobReference"].items() if key != "jobId"}
        resource["status"] = {"state": "DONE"}
        query = {"totalBytesProcessed": str(read), "totalBytesBilled": "0"}
        resource["statistics"].update(totalBytesProcessed=str(read), query=query)
        return Answer(json=resource)

    def _run(self, job: StartedJob, fault: Fault | None) -> None:
        try:
            if fault is not None and fault.kind == "slow":
                job.stop.wait(fault.seconds)
            read = self.backend.bytes_read(job.resource) if "query" in job.resource["configuration"] else []
            error = _planned_error(fault) or self._refused(job, read)
            if job.stop.is_set():
                error = _error("stopped", "Job execution was cancelled: User requested cancellation")
            _end(job.resource, error=error) if error else self._run_well(job, read)
        except Exception as failure:  # a fault of the fake itself, which must not leave who waits for ever
            _end(job.resource, error=_error("internalError", f"the fake failed: {failure!r}"))
            raise
        finally:
            job.over.set()

    def _refused(self, job: StartedJob, read: list[int]) -> dict[str, str] | None:
        """What BigQuery refuses before a job does anything."""
        configuration, reference = job.resource["configuration"], job.resource["jobReference"]
        place = reference["location"]
        task = configuration.get("query") or configuration["load"]
        dataset = (task.get("defaultDataset") or task.get("destinationTable") or {}).get("datasetId", "")
        found = self.backend.location(dataset) if dataset else place
        if found.lower() != place.lower():
            return _error("notFound", f"Not found: Dataset {reference['projectId']}:{dataset} was not found in location {place}")
        most = int(task.get("maximumBytesBilled") or 0)
        if most and (needed := billed(read)) > most:
            message = f"Query exceeded limit for bytes billed: {most}. {needed} or higher required."
            return _error("bytesBilledLimitExceeded", message)
        return None

    def _run_well(self, job: StartedJob, read: list[int]) -> None:
        resource = job.resource
        job.ran = True
        done = self.backend.run(resource)
        error = done["status"].get("errorResult")
        statistics = done.get("statistics", {})
        if "query" in resource["configuration"]:
            used = {"totalBytesProcessed": str(sum(read)), "totalBytesBilled": str(0 if error else billed(read))}
            statistics = {**statistics, "query": {**statistics.get("query", {}), **used}, "totalBytesProcessed": str(sum(read))}
        _end(resource, error=error, statistics=statistics)


def billed(read: list[int]) -> int:
    """Bytes that a query bills, as documented: whole megabytes, and ten of them at least for each table."""
    return sum(max(LEAST_BILLED, -(-count // MEGABYTE) * MEGABYTE) for count in read)


def refusal(status: int, message: str, reason: str = "") -> Answer:
    """An error's answer."""
    reason = reason or _REASONS.get(status, "backendError")
    errors = [{"message": message, "domain": "global", "reason": reason}]
    return Answer(status, {"error": {"code": status, "message": message, "errors": errors, "status": reason}})


def _early_answer(fault: Fault | None) -> Answer | None:
    """The answer instead of the call."""
    if fault is None:
        return None
    if fault.kind == "timeout":
        time.sleep(fault.seconds)
        raise Lost
    if fault.kind in _KINDS:
        status, reason = _KINDS[fault.kind]
        return refusal(status, f"Exceeded: {reason}, by the fake", reason)
    return refusal(int(fault.kind), "by the fake") if fault.kind.isdigit() else None


def _planned_error(fault: Fault | None) -> dict[str, str] | None:
    planned = {
        "failed": _error("backendError", "Error encountered during execution. Retrying may solve the problem."),
        "cancelled": _error("stopped", "Job execution was cancelled: User requested cancellation"),
    }
    return planned.get(fault.kind) if fault is not None else None


def _call_name(method: str, match: re.Match[str]) -> str:
    if match["kind"] == "queries":
        return "bigquery.jobs.getQueryResults" if match["name"] else "bigquery.jobs.query"
    if match["part"] in ("cancel", "delete"):
        return f"bigquery.jobs.{match['part']}"
    if match["rows"]:
        return "bigquery.tabledata.list" if match["rows"] == "data" else "bigquery.tabledata.insertAll"
    thing, name = (match["part"], match["table"]) if match["part"] else (match["kind"], match["name"])
    return f"bigquery.{thing}.{'list' if method == 'GET' and not name else _VERBS[method]}"


def _new_resource(reference: Mapping[str, Any], configuration: Mapping[str, Any]) -> dict[str, Any]:
    now = str(int(time.time() * 1000))
    return {
        "kind": "bigquery#job",
        "id": f"{reference.get('projectId')}:{reference['location']}.{reference.get('jobId')}",
        "jobReference": dict(reference),
        "configuration": {"jobType": "QUERY" if "query" in configuration else "LOAD", **configuration},
        "status": {"state": "RUNNING"},
        "statistics": {"creationTime": now, "startTime": now},
    }


def _end(resource: dict[str, Any], *, error: Mapping[str, str] | None, statistics: Mapping[str, Any] | None = None) -> None:
    now, started = int(time.time() * 1000), int(resource["statistics"]["startTime"])
    slot, times = str(now - started), {"creationTime": str(started), "startTime": str(started), "endTime": str(now)}
    ended = {**(statistics or {}), **times, "totalSlotMs": slot}
    if "query" in ended:
        ended["query"] = {**ended["query"], "totalSlotMs": slot}
    resource["statistics"] = ended
    resource["status"] = {"state": "DONE", **({"errorResult": error, "errors": [error]} if error else {})}


def _error(reason: str, message: str) -> dict[str, str]:
    return {"reason": reason, "message": message, "location": "query"}
