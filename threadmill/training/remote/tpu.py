"""Asks Cloud TPU for the accelerator of an attempt: a queued resource whose node does the work at its first boot.

Five guards see to it that none goes on costing money: whoever waits deletes it with force at every end (`tpu_service`); its host
deletes it when it is done; a time-out on the host ends its work and deletes it; the request leaves the queue by itself
(valid_until_duration); and the janitor removes what is left (`threadmill.cloud.leaks`).
"""

import uuid
from contextlib import suppress
from datetime import timedelta
from typing import Any

from threadmill.cloud.credentials import current_access
from threadmill.cloud.labels import all_labels
from threadmill.cloud.package import stage_package
from threadmill.cloud.work import Waiting
from threadmill.datasets import storage
from threadmill.engine.phases import StageRun
from threadmill.errors import ConfigError
from threadmill.settings import Settings, get_settings
from threadmill.training.remote.attempts import REMOTE
from threadmill.training.remote.backend import Attempt
from threadmill.training.remote.no_capacity import NoCapacityError
from threadmill.training.remote.spec import HostSpec, RemoteStage, input_digests, read_spec, write_spec
from threadmill.training.remote.startup import startup_script
from threadmill.training.remote.tpu_client import call, tpu_client
from threadmill.training.remote.tpu_types import check_one_host, chips

LOOK_SECONDS = 20.0
HEARTBEAT_SECONDS = 60.0
STALE_SECONDS = 900.0  # without a heartbeat: the host is taken for lost
BOOT_SECONDS = 2400.0  # to the first heartbeat: the packages are installed in a few minutes

_SCOPES = ("https://www.googleapis.com/auth/cloud-platform",)
_REQUESTS = uuid.UUID("6c0b3d83-5d3c-4c4f-8f0a-6f0a3f0c9f5e")  # the namespace of our request ids


def places() -> list[str]:
    """The zones of the setting `tpu_zones`.

    Raises:
        ConfigError: there are none; or the type of TPU is none, or of several hosts.
    """
    settings = get_settings()
    check_one_host(settings.tpu_type)
    zones = [zone.strip() for zone in settings.tpu_zones.split(",") if zone.strip()]
    if not zones:
        raise ConfigError(
            "no zone is set to ask for a TPU in; set THREADMILL_TPU_ZONES, such as us-west4-a,us-central1-a "
            "(`gcloud compute tpus accelerator-types list --zone ZONE` lists what a zone has)"
        )
    return zones


def check(stage: RemoteStage) -> None:
    """Raises ConfigError for TensorFlow, whose releases for TPU end at 2.20: ours is newer, and would compute on the CPU."""
    if stage.backend != "jax":
        raise ConfigError(
            f"{stage.name}: the model's backend is {stage.backend}, and on Cloud TPU only jax computes on the TPU; train with "
            "backend jax, or set THREADMILL_TRAINER to local or vertex"
        )


def most_attempts() -> int:
    """The setting `tpu_attempts`."""
    return get_settings().tpu_attempts


def start(attempt: Attempt, stage: RemoteStage, run: StageRun) -> Waiting:
    """Creates the queued resource, or adopts it where it is there, started by an earlier try of the same task.

    Raises:
        NoCapacityError: the quota in the zone does not allow it.
        ConfigError, RemoteWorkError: it cannot be asked for.
    """
    settings = get_settings()
    parent = f"projects/{current_access().project}/locations/{attempt.place}"
    name = f"{parent}/queuedResources/{attempt.name}"
    from google.api_core.exceptions import Conflict

    spec = _spec(attempt, stage, run, name, settings)
    if not attempt.folder.is_over:  # nobody was told yet of one that is: its TPU may be gone, and must not come again
        with tpu_client() as client, suppress(Conflict):  # it was asked for before: the same name is the same work
            try:
                call(
                    client.create_queued_resource,
                    f"TPU {attempt.name} in {attempt.place}",
                    parent=parent,
                    queued_resource_id=attempt.name,
                    queued_resource=_queued_resource(attempt, run, parent, spec, settings),
                    request_id=str(uuid.uuid5(_REQUESTS, name)),
                )
            except NoCapacityError:
                if not _is_there(client, name):  # else the answer to the first call was lost, and it has the quota itself
                    raise
    return Waiting(
        kind="tpu",
        handle=_handle(attempt, run, name, settings),
        what=f"TPU {attempt.name} ({settings.tpu_type} in {attempt.place}, attempt {attempt.number})",
        output=run.uri,
        url=f"https://console.cloud.google.com/compute/tpus?project={current_access().project}",
        seconds=LOOK_SECONDS,
    )


def _is_there(client: Any, name: str) -> bool:
    from google.api_core.exceptions import NotFound

    try:
        call(client.get_queued_resource, f"TPU {name.rsplit('/', 1)[1]}", name=name)
    except NotFound:
        return False
    return True


def _handle(attempt: Attempt, run: StageRun, name: str, settings: Settings) -> dict[str, Any]:
    return {
        "name": name,
        "folder": attempt.folder.uri,
        "output": run.uri,
        "number": attempt.number,
        "place": attempt.place,
        "is_last_place": attempt.is_last_place,
        "tpu_type": settings.tpu_type,
        "chips": chips(settings.tpu_type),
        "spot": _is_spot(settings),
        "queue_seconds": 3600 * settings.tpu_queue_hours,
        "boot_seconds": BOOT_SECONDS,
        "stale_seconds": STALE_SECONDS,
        "told": "",
    }


def _spec(attempt: Attempt, stage: RemoteStage, run: StageRun, name: str, settings: Settings) -> HostSpec:
    """What the host is to do, which is written once: one that was adopted does what it was told then."""
    folder = attempt.folder
    if storage.exists(folder.spec_uri):
        return read_spec(folder.spec_uri)
    run.site.before_start()
    package = stage_package(storage.join(run.uri, REMOTE, "package"))
    spec = HostSpec(
        stage=stage.name,
        arguments=stage.arguments(),
        inputs=input_digests(run.plan),
        output=run.uri,
        key=run.key,
        folder=folder.uri,
        attempt=attempt.number,
        build_id=package.build_id,
        wheel=package.wheel_uri,
        constraints=package.constraints_uri,
        tpu=name,
        place=attempt.place,
        max_seconds=3600 * settings.tpu_max_hours,
        heartbeat_seconds=HEARTBEAT_SECONDS,
    )
    folder.make()
    write_spec(folder.spec_uri, spec)
    return spec


def _queued_resource(attempt: Attempt, run: StageRun, parent: str, spec: HostSpec, settings: Settings) -> Any:
    from google.cloud import tpu_v2
    from google.protobuf import duration_pb2

    node = tpu_v2.Node(
        accelerator_type=settings.tpu_type,
        runtime_version=settings.tpu_runtime,
        network_config=tpu_v2.NetworkConfig(
            network=settings.tpu_network,
            subnetwork=settings.tpu_subnetwork,
            enable_external_ips=not settings.tpu_private_ips,
        ),
        service_account=tpu_v2.ServiceAccount(email=settings.tpu_service_account, scope=_SCOPES),
        labels=all_labels(run.site.identity),
        metadata={"startup-script": startup_script(spec, extra="jax[tpu]")},
    )
    node_spec = tpu_v2.QueuedResource.Tpu.NodeSpec(parent=parent, node_id=attempt.name, node=node)
    queue = timedelta(hours=settings.tpu_queue_hours)
    tier: dict[str, Any] = {"spot": {}} if _is_spot(settings) else {"guaranteed": {}}
    return tpu_v2.QueuedResource(
        tpu=tpu_v2.QueuedResource.Tpu(node_spec=[node_spec]),
        reservation_name=settings.tpu_reservation,
        queueing_policy={"valid_until_duration": duration_pb2.Duration(seconds=max(1, int(queue.total_seconds())))},
        **tier,
    )


def _is_spot(settings: Settings) -> bool:
    """A reservation is capacity of one's own, which is not taken away."""
    return settings.tpu_spot and not settings.tpu_reservation
