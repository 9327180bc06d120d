"""Asks Vertex AI for the accelerator of an attempt: a custom job whose container does the work, and which ends with it.

Vertex AI has no names of its own for jobs, and no request ids: the display name is ours, and what has it is looked for before one
is made, and after; of several the oldest is kept, and the others are cancelled.
"""

from typing import Any

from threadmill.cloud.labels import all_labels
from threadmill.cloud.package import build_id
from threadmill.cloud.work import Waiting
from threadmill.datasets import storage
from threadmill.engine.phases import StageRun
from threadmill.errors import ConfigError, RemoteWorkError
from threadmill.settings import Settings, get_settings
from threadmill.training.remote.backend import Attempt
from threadmill.training.remote.spec import HostSpec, RemoteStage, input_digests, write_spec
from threadmill.training.remote.vertex_client import call, find_job, only_job, parent, vertex_client

LOOK_SECONDS = 20.0
HEARTBEAT_SECONDS = 60.0
_TRIES = 3  # to make a job, where answers are lost


def places() -> list[str]:
    """The region.

    Raises:
        ConfigError: none is set; or no image.
    """
    parent()
    settings = get_settings()
    if not settings.vertex_image:
        raise ConfigError("no container image is set for Vertex AI; set THREADMILL_VERTEX_IMAGE to one of docker/worker")
    return [settings.region]


def check(stage: RemoteStage) -> None:
    """Nothing: what the image has can compute is the image's to say."""


def most_attempts() -> int:
    """The setting `tpu_attempts`."""
    return get_settings().tpu_attempts


def start(attempt: Attempt, stage: RemoteStage, run: StageRun) -> Waiting:
    """Creates the custom job, or adopts the one of its name.

    Raises:
        NoCapacityError: the quota does not allow it.
        ConfigError, RemoteWorkError: it cannot be made.
    """
    settings = get_settings()
    if not storage.exists(attempt.folder.spec_uri):
        run.site.before_start()
        attempt.folder.make()
        write_spec(attempt.folder.spec_uri, _spec(attempt, stage, run, settings))
    made = find_job(attempt.name) or _create(_custom_job(attempt, run, settings))
    job = only_job(attempt.name) or made
    handle = {
        "name": job.name,
        "folder": attempt.folder.uri,
        "output": run.uri,
        "number": attempt.number,
        "place": attempt.place,
        "is_last_place": attempt.is_last_place,
        "tpu_type": settings.vertex_machine_type,
        "chips": chips(settings.vertex_topology),
        "spot": settings.tpu_spot,
        "told": "",
    }
    return Waiting(
        kind="vertex",
        handle=handle,
        what=f"Vertex AI job {attempt.name} ({settings.vertex_machine_type} in {attempt.place}, attempt {attempt.number})",
        output=run.uri,
        url=f"https://console.cloud.google.com/vertex-ai/training/custom-jobs/locations/{settings.region}?project={job.name.split('/')[1]}",
        seconds=LOOK_SECONDS,
    )


def chips(topology: str) -> int:
    """The chips of a topology such as 2x4; 1 where it is empty: a machine with one accelerator, or none.

    Raises:
        ConfigError: it is none.
    """
    count = 1
    for side in filter(None, topology.split("x")):
        if not side.isdecimal():
            raise ConfigError(f"THREADMILL_VERTEX_TOPOLOGY is {topology!r}; set one such as 2x4")
        count *= int(side)
    return count


def _create(job: Any) -> Any:
    what = f"Vertex AI job {job.display_name}"
    for _ in range(_TRIES):
        try:
            with vertex_client() as client:
                return call(client.create_custom_job, what, again=False, parent=parent(), custom_job=job)
        except RemoteWorkError as error:
            last = error
            if found := find_job(job.display_name):  # it was made, and the answer lost
                return found
    raise last


def _spec(attempt: Attempt, stage: RemoteStage, run: StageRun, settings: Settings) -> HostSpec:
    return HostSpec(
        stage=stage.name,
        arguments=stage.arguments(),
        inputs=input_digests(run.plan),
        output=run.uri,
        key=run.key,
        folder=attempt.folder.uri,
        attempt=attempt.number,
        build_id=build_id(),
        wheel="",
        constraints="",
        tpu="",
        place=attempt.place,
        max_seconds=3600 * settings.tpu_max_hours,
        heartbeat_seconds=HEARTBEAT_SECONDS,
    )


def _custom_job(attempt: Attempt, run: StageRun, settings: Settings) -> Any:
    from google.cloud import aiplatform_v1 as vertex
    from google.protobuf import duration_pb2

    variables = {"THREADMILL_PROJECT": parent().split("/")[1], "THREADMILL_TRAINER": "local", "THREADMILL_ENGINE": "local"}
    container = vertex.ContainerSpec(
        image_uri=settings.vertex_image,
        command=["python", "-m", "threadmill.training.remote.host"],
        args=[attempt.folder.spec_uri],
        env=[vertex.EnvVar(name=name, value=value) for name, value in variables.items()],
    )
    machine = vertex.MachineSpec(machine_type=settings.vertex_machine_type, tpu_topology=settings.vertex_topology)
    pool = vertex.WorkerPoolSpec(container_spec=container, machine_spec=machine, replica_count=1)
    strategy = vertex.Scheduling.Strategy.SPOT if settings.tpu_spot else vertex.Scheduling.Strategy.ON_DEMAND
    scheduling = vertex.Scheduling(
        timeout=duration_pb2.Duration(seconds=int(3600 * settings.tpu_max_hours)),
        max_wait_duration=duration_pb2.Duration(seconds=int(3600 * settings.tpu_queue_hours)),
        strategy=strategy,
        disable_retries=True,  # attempts are ours: each from the last checkpoint, a bounded number
    )
    spec = vertex.CustomJobSpec(worker_pool_specs=[pool], scheduling=scheduling, service_account=settings.vertex_service_account)
    return vertex.CustomJob(display_name=attempt.name, job_spec=spec, labels=all_labels(run.site.identity))
