"""Sees to the receipts of tasks through a runner of Beam that the settings choose, and waits for it.

One job of a name is active at a time: who finds one that a killed launcher left waits for it, or ends it where its workers
died with that launcher. A launcher that is asked to stop cancels its job.
"""

import logging
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
import grpc
from apache_beam.options.pipeline_options import PipelineOptions, PortableOptions, StandardOptions
from apache_beam.portability.api import beam_job_api_pb2, beam_job_api_pb2_grpc
from apache_beam.runners.portability import portable_runner
from apache_beam.runners.runner import create_runner

from threadmill.cloud.stopping import cancelled_at_stop
from threadmill.cloud.work import Waiting
from threadmill.datasets import storage
from threadmill.datasets.lock import writer_lock
from threadmill.engine.beam.faults import worker_fault
from threadmill.engine.beam.options import beam_flags, parse_flags
from threadmill.engine.beam.pipeline import build
from threadmill.engine.phases import StageRun
from threadmill.engine.receipts import collect_receipts, mark_unfinished
from threadmill.engine.stage import MapStage, Task
from threadmill.errors import ConfigError, RemoteCancelledError, RemoteWorkError, ThreadmillError
from threadmill.settings import get_settings

log = logging.getLogger(__name__)

_JobState = beam_job_api_pb2.JobState
_ENDED = {_JobState.DONE, _JobState.FAILED, _JobState.CANCELLED, _JobState.DRAINED, _JobState.UPDATED}
_IN_PROCESS = "FnApiRunner"  # one thread of this process: for tests, and to find faults
_SECONDS = 60  # that a job service may take to answer
# A stream of states is silent for hours: whether its server is still there is asked, as seldom as servers allow by default.
_ALIVE = (("grpc.keepalive_time_ms", 360_000), ("grpc.keepalive_timeout_ms", 20_000))


def task_steps(stage: MapStage, tasks: Sequence[Task], run: StageRun) -> Iterator[Waiting]:
    """Does the tasks that have no receipt in the run's output; waits itself, so that it yields nothing.

    Raises:
        ConfigError: the settings of Beam are of no use, or the job service does not answer.
        RemoteWorkError: the job failed; the same call does what is missing.
        RemoteCancelledError: somebody cancelled it.
        ThreadmillError: what a worker raised, where a retry would meet it again.
    """
    settings = get_settings()
    name = run.site.identity.name(run.key, stage.name)
    flags = beam_flags(settings, name)
    storage.make_directory(run.uri)
    with writer_lock(run.uri):
        with _Jobs(settings.beam_job_endpoint, name) as jobs:
            options = parse_flags(flags, jobs.known_options())
            jobs.take_over(options)
        done = collect_receipts(run.uri, run.key)
        mark_unfinished(run.uri)
        pending = [task for task in tasks if task.name not in done]
        if pending:
            log.info("%s: %d tasks on %s, %d done before", stage.name, len(pending), settings.beam_runner, len(done))
            _run(stage, pending, run, options, settings.beam_runner)
    yield from ()


def _run(stage: MapStage, tasks: Sequence[Task], run: StageRun, options: PipelineOptions, runner_name: str) -> None:
    what = f"{stage.name}: the job on {runner_name}"
    options.view_as(StandardOptions).runner = None if runner_name == _IN_PROCESS else runner_name
    runner = _in_process() if runner_name == _IN_PROCESS else create_runner(runner_name)
    if isinstance(runner, portable_runner.PortableRunner):
        _name_jobs(runner, run.site.identity.name(run.key, stage.name))
    pipeline = beam.Pipeline(runner=runner, options=options)
    build(pipeline, stage, tasks, run.uri, run.key)
    try:
        result = pipeline.run()
    except Exception as error:
        raise _fault(error, what) from error
    _wait(result, what)


def _in_process() -> Any:
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    return FnApiRunner()


def _wait(result: Any, what: str) -> None:
    try:
        with cancelled_at_stop(what, result.cancel):
            state = result.wait_until_finish()
    except Exception as error:
        if "failed in state CANCELLED" in str(error):  # what its last worker said may have any word in it
            raise RemoteCancelledError(f"{what} was cancelled; run it again to do what is missing") from None
        raise _fault(error, what) from error
    log.info("%s is %s", what, state)


def _fault(error: Exception, what: str) -> Exception:
    if isinstance(error, grpc.RpcError):
        return RemoteWorkError(f"{what}: the job service does not answer ({_reason(error)}); see to it, then run it again")
    if isinstance(error, ThreadmillError):  # of a worker in this process
        return worker_fault(f"threadmill.errors.{type(error).__name__}: {error}", what)
    return worker_fault(str(error), what)


def _name_jobs(runner: portable_runner.PortableRunner, name: str) -> None:
    """Beam names all portable jobs "job"."""
    make = runner.create_job_service_handle

    def named(job_service: Any, options: PipelineOptions) -> Any:
        return make(_NamingService(job_service, name), options)

    runner.create_job_service_handle = named


class _NamingService:
    """A job service whose jobs get a name."""

    def __init__(self, service: Any, name: str) -> None:
        self._service, self._name = service, name

    def Prepare(self, request: Any, **kwargs: Any) -> Any:
        """As the service's own, under our name."""
        request.job_name = self._name
        return self._service.Prepare(request, **kwargs)

    def __getattr__(self, method: str) -> Any:
        return getattr(self._service, method)


class _Jobs:
    """What a job service at an endpoint knows of the jobs of a name; nothing, where there is no endpoint."""

    def __init__(self, endpoint: str, name: str) -> None:
        self._endpoint, self._name = endpoint, name
        self._channel = grpc.insecure_channel(endpoint, options=_ALIVE) if endpoint else None
        self._service: Any = beam_job_api_pb2_grpc.JobServiceStub(self._channel) if endpoint else None

    def __enter__(self) -> "_Jobs":
        if self._channel is not None:
            try:
                grpc.channel_ready_future(self._channel).result(timeout=_SECONDS)
            except grpc.FutureTimeoutError:
                self._channel.close()
                raise RemoteWorkError(
                    f"no job service answers at {self._endpoint}; start it, or set THREADMILL_BEAM_JOB_ENDPOINT"
                ) from None
        return self

    def __exit__(self, *error: Any) -> None:
        if self._channel is not None:
            self._channel.close()

    def known_options(self) -> frozenset[str]:
        """The options that the service itself takes."""
        if self._service is None:
            return frozenset()
        try:
            told = self._service.DescribePipelineOptions(
                beam_job_api_pb2.DescribePipelineOptionsRequest(), timeout=_SECONDS, wait_for_ready=True
            )
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                return frozenset()
            raise ConfigError(f"the job service at {self._endpoint} is of no use ({_reason(error)}); set another") from error
        return frozenset(option.name for option in told.options)

    def take_over(self, options: PipelineOptions) -> None:
        """Waits until no job of the name is active; one whose workers died with its launcher is cancelled first."""
        loopback = options.view_as(PortableOptions).environment_type == "LOOPBACK"
        for job_id in self._active():
            if loopback:
                log.warning("cancelling the job %s of a launcher that is gone, and its workers with it", job_id)
                self._cancel(job_id)
            else:
                log.info("waiting for the job %s, which an earlier launcher left running", job_id)
            self._wait(job_id)

    def _active(self) -> list[str]:
        if self._service is None:
            return []
        try:
            jobs = self._service.GetJobs(beam_job_api_pb2.GetJobsRequest(), timeout=_SECONDS)
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.UNIMPLEMENTED:
                return []
            raise RemoteWorkError(f"the job service at {self._endpoint} does not tell its jobs ({_reason(error)})") from error
        # A job that was prepared and never run is STOPPED: nothing will come of it.
        return [
            job.job_id for job in jobs.job_info if job.job_name == self._name and job.state not in {*_ENDED, _JobState.STOPPED}
        ]

    def _wait(self, job_id: str) -> None:
        try:
            with cancelled_at_stop(f"the job {job_id}", lambda: self._cancel(job_id)):
                for event in self._service.GetStateStream(beam_job_api_pb2.GetJobStateRequest(job_id=job_id)):
                    if event.state in _ENDED:
                        return
        except grpc.RpcError as error:
            raise RemoteWorkError(f"the job service at {self._endpoint} is gone ({_reason(error)}); run it again") from error

    def _cancel(self, job_id: str) -> None:
        self._service.Cancel(beam_job_api_pb2.CancelJobRequest(job_id=job_id), timeout=_SECONDS)


def _reason(error: grpc.RpcError) -> str:
    return f"{error.code().name}: {error.details()}" if hasattr(error, "code") else str(error)
