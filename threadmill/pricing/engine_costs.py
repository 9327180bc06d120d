"""What the stages that run on Dataflow cost: vCPU-hours from measured CPU seconds, and the memory and disks beside them."""

import re
from collections.abc import Iterator, Mapping
from math import ceil

from threadmill.errors import ConfigError
from threadmill.pricing.amounts import StageAmount
from threadmill.pricing.lines import Line, least_sure
from threadmill.pricing.prices import Prices
from threadmill.settings import Settings

STAGES = (
    "ingest", "corpus", "threads", "conversations", "signatures", "deduplicate", "check_conversations", "vocabulary", "records",
)  # fmt: skip

_UTILISATION = 0.6  # of a worker's vCPUs: the rest waits for storage, and for the last task
_START_MINUTES = 5.0  # of a worker, which is billed while it boots and installs its packages
# On Beam the records stage goes through tokens, encoded sequences and records, each written and read again. Measured for BERT:
# 0.33 CPU seconds a million tokens of a pass, and 0.7 a million tokens once, where one machine takes 0.25 in all; with ten passes
# that is 1.6 times as much.
_ON_BEAM = {"records": 1.6}
_DEFAULT_DISK_GB = 25  # of a batch worker with Dataflow Shuffle: https://cloud.google.com/dataflow/docs/shuffle-for-batch
_GB_A_VCPU = {
    ("n1", "standard"): 3.75, ("n1", "highmem"): 6.5, ("n1", "highcpu"): 0.9,
    ("n2", "highcpu"): 1.0, ("n2d", "highcpu"): 1.0, ("e2", "highcpu"): 1.0,
    ("c2", "standard"): 4.0, ("c3", "highcpu"): 2.0,
}  # fmt: skip
_USUAL_GB = {"standard": 4.0, "highmem": 8.0, "highcpu": 2.0}


def engine_lines(stages: Mapping[str, StageAmount], settings: Settings, prices: Prices) -> Iterator[Line]:
    """The lines of the stages that Dataflow runs."""
    vcpus, gb = machine(settings.dataflow_machine_type)
    flexrs = "_flexrs" if settings.dataflow_flexrs else ""
    hours, known = 0.0, []
    for name in STAGES:
        if name not in stages:
            continue
        amount = stages[name]
        stage_hours = vcpu_hours(amount.cpu_seconds * _ON_BEAM.get(name, 1.0), amount.tasks, vcpus, settings)
        price = prices.of(f"dataflow.vcpu{flexrs}", settings.region)
        yield Line(name, "Dataflow vCPUs", stage_hours, price, amount.known, ASSUMPTION)
        hours += stage_hours
        known.append(amount.known)
    if hours:
        sure, disk = least_sure(*known), settings.dataflow_disk_gb or _DEFAULT_DISK_GB
        yield Line("all", "Dataflow memory", hours / vcpus * gb, prices.of(f"dataflow.memory{flexrs}", settings.region), sure)
        yield Line("all", "Dataflow disks", hours / vcpus * disk, prices.of("dataflow.disk", settings.region), sure)


ASSUMPTION = (
    f"Dataflow: workers are busy {_UTILISATION:.0%} of the time, and billed for {_START_MINUTES:.0f} minutes before they begin; "
    "nothing is shuffled"
)


def vcpu_hours(cpu_seconds: float, tasks: int, vcpus: int, settings: Settings) -> float:
    """Hours of vCPUs that a stage's job is billed for, on workers of so many vCPUs."""
    most = min(settings.dataflow_workers or settings.dataflow_max_workers, settings.dataflow_max_workers)
    workers = min(most, ceil(tasks / vcpus))
    return cpu_seconds / 3600 / _UTILISATION + workers * vcpus * _START_MINUTES / 60


def machine(machine_type: str) -> tuple[int, float]:
    """vCPUs and GB of memory of a machine type, such as n2-standard-4.

    Raises:
        ConfigError: its name does not tell.
    """
    custom = re.fullmatch(r"(?:[a-z0-9]+-)?custom-(\d+)-(\d+)(?:-ext)?", machine_type)
    if custom:
        return int(custom[1]), int(custom[2]) / 1024
    found = re.fullmatch(r"([a-z]\d[a-z]?)-(standard|highmem|highcpu)-(\d+)(?:-lssd)?", machine_type)
    if not found:
        raise ConfigError(
            f"the machine type {machine_type} does not tell its vCPUs; set THREADMILL_DATAFLOW_MACHINE_TYPE to one such "
            "as n2-standard-4"
        )
    vcpus = int(found[3])
    return vcpus, vcpus * _GB_A_VCPU.get((found[1], found[2]), _USUAL_GB[found[2]])
