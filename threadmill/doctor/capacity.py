"""Checks of what may be had: Compute Engine's quotas for Dataflow's workers, Cloud TPU's for its chips, and the network."""

from collections.abc import Iterator, Mapping
from typing import Any

from threadmill.doctor.api import ApiError
from threadmill.doctor.checkup import FAIL, PASS, SKIP, Finding, Patient
from threadmill.pricing.accelerators import slice_of
from threadmill.pricing.engine_costs import machine

_DISK_GB = 25  # of a batch worker, unless set
_FAMILY_QUOTAS = {"n2": "N2_CPUS", "n2d": "N2D_CPUS", "c2": "C2_CPUS", "c2d": "C2D_CPUS", "c3": "C3_CPUS"}

# Words of the names of Cloud TPU's quotas: https://cloud.google.com/tpu/docs/quota
_TPU_WORDS = {"v2": "tpuv2", "v3": "tpuv3", "v4": "tpuv4", "v5e": "tpuv5slitepod", "v5p": "tpuv5p", "v6e": "tpuv6e"}
_CORES_A_CHIP = {"v2": 2, "v3": 2, "v4": 2, "v5p": 2}
_UNLIMITED = -1
_QUOTAS = "https://console.cloud.google.com/iam-admin/quotas"


def check_quotas(patient: Patient) -> Iterator[Finding]:
    """The region has room for as many workers as the settings allow."""
    settings = patient.settings
    if "dataflow" not in patient.parts:
        yield Finding(SKIP, "quotas of Dataflow's workers", "the engine is not Dataflow")
        return
    region = patient.api.get("compute", f"/compute/v1/projects/{patient.project}/regions/{settings.region}")
    quotas = {quota["metric"]: quota for quota in region.get("quotas", ())}
    workers, (vcpus, _) = settings.dataflow_max_workers, machine(settings.dataflow_machine_type)
    family = settings.dataflow_machine_type.split("-")[0]
    wanted = {
        _FAMILY_QUOTAS.get(family, "CPUS"): workers * vcpus,
        "DISKS_TOTAL_GB": workers * (settings.dataflow_disk_gb or _DISK_GB),
    }
    if not settings.dataflow_private_ips:
        wanted["IN_USE_ADDRESSES"] = workers
    for metric, amount in wanted.items():
        yield _quota(metric, quotas.get(metric), amount, workers, settings.region)


def _quota(metric: str, quota: Mapping[str, Any] | None, wanted: int, workers: int, region: str) -> Finding:
    what = f"quota {metric} in {region}"
    if quota is None:
        return Finding(SKIP, what, "Compute Engine tells none of this name")
    free = quota["limit"] - quota.get("usage", 0)
    if free >= wanted:
        return Finding(PASS, what, f"{free:,.0f} free, {wanted:,} for {workers} workers")
    fits = int(workers * free // wanted)
    command = f"export THREADMILL_DATAFLOW_MAX_WORKERS={max(1, fits)}, or ask for more at {_QUOTAS}"
    return Finding(FAIL, what, f"{free:,.0f} free, but {workers} workers take {wanted:,}", command)


def check_tpu_quota(patient: Patient) -> Iterator[Finding]:
    """The project may use as many chips, spot or not, in the first zone."""
    settings = patient.settings
    if "tpu" not in patient.parts or not settings.tpu_zones:
        yield Finding(SKIP, "quota of TPUs", "no Cloud TPU is asked for")
        return
    chips = slice_of(settings.tpu_type)
    cores = chips.chips * _CORES_A_CHIP.get(chips.generation, 1)
    spot = settings.tpu_spot and not settings.tpu_reservation
    word, zones = _TPU_WORDS[chips.generation], [zone.strip() for zone in settings.tpu_zones.split(",")]
    path = f"/v1beta1/projects/{patient.project}/services/tpu.googleapis.com/consumerQuotaMetrics"
    limits = list(_zone_limits(patient.api.pages("serviceusage", path, "metrics"), word, spot))
    if not limits:
        command = f"look at {_QUOTAS}?service=tpu.googleapis.com"
        yield Finding(SKIP, "quota of TPUs", f"Cloud TPU tells no quota of {chips.generation}{' spot' if spot else ''}", command)
        return
    for zone in zones:
        limit = _limit_in(limits, zone)
        yield _tpu_quota(f"quota of TPU {chips.generation}{' spot' if spot else ''} in {zone}", limit, cores)


def _tpu_quota(what: str, limit: int, cores: int) -> Finding:
    if limit == _UNLIMITED or limit >= cores:
        return Finding(PASS, what, f"{'no limit' if limit == _UNLIMITED else limit}, {cores} asked for")
    command = f"ask for more at {_QUOTAS}?service=tpu.googleapis.com, or set THREADMILL_TPU_TYPE to a smaller one"
    return Finding(FAIL, what, f"{limit}, but {cores} are asked for", command)


def _zone_limits(metrics: Iterator[dict[str, Any]], word: str, spot: bool) -> Iterator[list[dict[str, Any]]]:
    """The buckets, each of a zone or the default, of the limits a zone of a generation's quota."""
    for metric in metrics:
        name = metric.get("metric", "").partition("/")[2].replace("_", "").replace("-", "").lower()
        if word in name and ("preemptible" in name) == spot and "reserved" not in name:
            for limit in metric.get("consumerQuotaLimits", ()):
                if "zone" in limit.get("unit", ""):
                    yield limit.get("quotaBuckets", [])


def _limit_in(limits: list[list[dict[str, Any]]], zone: str) -> int:
    """The largest limit of a zone: one metric counts pods, another single devices."""
    found = [_UNLIMITED - 1]
    for buckets in limits:
        default, special = 0, None
        for bucket in buckets:
            value = int(bucket.get("effectiveLimit", 0))
            dimensions = bucket.get("dimensions", {})
            if not dimensions:
                default = value
            elif dimensions.get("zone") == zone:
                special = value
        found.append(default if special is None else special)
    return _UNLIMITED if _UNLIMITED in found else max(0, *found)


def check_network(patient: Patient) -> Iterator[Finding]:
    """The networks and subnetworks of workers and TPU hosts are there, with Private Google Access where they have no other."""
    settings = patient.settings
    for part, network, subnetwork, private in (
        ("dataflow", settings.dataflow_network, settings.dataflow_subnetwork, settings.dataflow_private_ips),
        ("tpu", settings.tpu_network, settings.tpu_subnetwork, settings.tpu_private_ips),
    ):
        if part in patient.parts:
            yield from _network(patient, part, network, subnetwork, private)


def _network(patient: Patient, part: str, network: str, subnetwork: str, private: bool) -> Iterator[Finding]:
    what = f"network of {part}"
    if not subnetwork:
        yield _find_network(patient, what, network or "default")
        if private:
            command = f"export THREADMILL_{part.upper()}_SUBNETWORK=regions/{patient.settings.region}/subnetworks/NAME"
            yield Finding(
                SKIP, what, "private addresses without a subnetwork: Private Google Access cannot be looked at", command
            )
        return
    region, name = _subnetwork(subnetwork, patient.settings.region)
    try:
        found = patient.api.get("compute", f"/compute/v1/projects/{patient.project}/regions/{region}/subnetworks/{name}")
    except ApiError as error:
        if error.status != 404:
            raise
        yield Finding(
            FAIL, what, f"the subnetwork {name} is not in {region}", f"gcloud compute networks subnets list --regions {region}"
        )
        return
    if private and not found.get("privateIpGoogleAccess"):
        command = f"gcloud compute networks subnets update {name} --region {region} --enable-private-ip-google-access"
        yield Finding(FAIL, what, f"{name} has no Private Google Access, and its hosts have private addresses only", command)
    else:
        yield Finding(PASS, what, f"the subnetwork {name} in {region}{', with Private Google Access' if private else ''}")


def _find_network(patient: Patient, what: str, network: str) -> Finding:
    name = network.rpartition("/")[2]
    try:
        patient.api.get("compute", f"/compute/v1/projects/{patient.project}/global/networks/{name}")
    except ApiError as error:
        if error.status != 404:
            raise
        return Finding(
            FAIL, what, f"the network {name} does not exist", f"gcloud compute networks create {name} --project {patient.project}"
        )
    return Finding(PASS, what, f"the network {name}")


def _subnetwork(given: str, region: str) -> tuple[str, str]:
    """Region and name of regions/REGION/subnetworks/NAME, of a whole URL, or of a name alone."""
    parts = given.split("/")
    return (parts[parts.index("regions") + 1] if "regions" in parts else region), parts[-1]
