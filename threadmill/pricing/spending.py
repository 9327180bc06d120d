"""What a run has cost so far, from the statistics of its remote jobs: those of finished datasets, and of those under way."""

import logging
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from threadmill.cloud.work import JOBS
from threadmill.datasets import storage
from threadmill.datasets.manifest import find_manifest
from threadmill.datasets.unfinished import PHASES
from threadmill.errors import BudgetError, IntegrityError
from threadmill.pricing.accelerators import generation_of
from threadmill.pricing.lines import JOB_STATISTICS, Line, total
from threadmill.pricing.prices import Prices, load_prices
from threadmill.settings import get_settings

log = logging.getLogger(__name__)

_TIB = 2.0**40


@dataclass(frozen=True)
class Spending:
    """What jobs have cost.

    Attributes:
        lines: one for each thing that a job is billed for.
        unpriced: jobs whose statistics do not tell what they used, such as "bigquery threadmill-...".
    """

    lines: tuple[Line, ...]
    unpriced: tuple[str, ...] = ()

    @property
    def total(self) -> float:
        """US dollars, by list prices."""
        return total(self.lines)


def spent(uris: Iterable[str], prices: Prices | None = None) -> Spending:
    """What the remote jobs of these datasets have cost, each job once; a dataset that is not there has cost nothing.

    Args:
        uris: of datasets, finished or under way.
        prices: the deployment's by default.
    """
    prices = prices or load_prices(get_settings().prices)
    jobs: dict[tuple[str, str], tuple[str, Mapping[str, Any]]] = {}
    for uri in uris:
        for job in _jobs_of(uri):
            jobs.setdefault((job["kind"], job["id"]), (storage.name_of(uri), job))
    lines: list[Line] = []
    unpriced: list[str] = []
    for stage, job in jobs.values():
        priced = list(_priced(stage, job, prices))
        lines.extend(priced)
        if not priced:
            unpriced.append(f"{job['kind']} {job['id']}")
    return Spending(tuple(lines), tuple(unpriced))


def dataset_uris(folder: str) -> list[str]:
    """The URIs of the datasets of a run, which lie side by side in ``folder``, such as ROOT/reddit/2015-05."""
    return [storage.join(folder, name) for name in storage.list_names(folder) if storage.is_directory(storage.join(folder, name))]


def watch_spending(uris: Iterable[str], budget: float, *, before: str) -> Spending:
    """Logs what a run has spent so far, and stops it before it spends more than its budget.

    Args:
        uris: of the run's datasets.
        budget: US dollars; 0 for no limit.
        before: the remote work that would be started next, for the message.

    Raises:
        BudgetError: the budget is used up.
    """
    spending = spent(uris)
    limit = f" of ${budget:,.2f}" if budget else ""
    log.info("spent so far: $%s%s, by job statistics and list prices", f"{spending.total:,.2f}", limit)
    if spending.unpriced:
        log.warning("the cost of %s is not known: no statistics came with it", ", ".join(spending.unpriced))
    if budget and spending.total >= budget:
        raise BudgetError(
            f"this run has spent ${spending.total:,.2f}, and its budget is ${budget:,.2f}: {before} is not started; to go on, "
            "trigger the run anew with a higher budget (what is done is kept), or raise THREADMILL_BUDGET and clear this task"
        )
    return spending


def _jobs_of(uri: str) -> Iterator[Mapping[str, Any]]:
    """The records of a dataset's jobs: in its manifest, beside it while it is under way, and those of its phases."""
    try:
        manifest = find_manifest(uri)
    except IntegrityError as error:
        log.warning("%s; the cost of its jobs is not counted", error)
        manifest = None
    yield from manifest.jobs if manifest else ()
    folder = storage.join(uri, JOBS)
    for name in storage.list_names(folder):
        yield orjson.loads(storage.read_bytes(storage.join(folder, name)))
    for name in storage.list_names(storage.join(uri, PHASES)):
        yield from _jobs_of(storage.join(uri, PHASES, name))


def _priced(stage: str, job: Mapping[str, Any], prices: Prices) -> Iterator[Line]:
    """The lines of one job; none where its statistics tell nothing that is billed."""
    measures = job["measures"]
    for measure, item, name, unit_size in _billed(job["kind"], measures):
        if measure in measures:
            region = _region(measures)
            quantity = float(measures[measure]) / unit_size
            yield Line(stage, item, quantity, prices.of(name, region), JOB_STATISTICS, note=f"{job['kind']} {job['id']}")


def _billed(kind: str, measures: Mapping[str, Any]) -> list[tuple[str, str, str, float]]:
    """What a kind of job is billed for: the measure, what it is, its price's name, and how much of the measure is a unit."""
    if kind == "bigquery":
        return [("bytes_billed", "BigQuery queries", "bigquery.query", _TIB)]
    if kind == "dataflow":
        flexrs = "_flexrs" if _true(measures.get("flexrs", get_settings().dataflow_flexrs)) else ""
        return [
            ("vcpu_hours", "Dataflow vCPUs", f"dataflow.vcpu{flexrs}", 1),
            ("memory_gb_hours", "Dataflow memory", f"dataflow.memory{flexrs}", 1),
            ("disk_gb_hours", "Dataflow disks", "dataflow.disk", 1),
            ("shuffle_gb", "Dataflow Shuffle", "dataflow.shuffle", 1),
        ]
    if kind in ("tpu", "vertex") and "tpu_type" in measures:
        generation = generation_of(str(measures["tpu_type"]))
        if kind == "vertex":
            return [("chip_hours", f"Vertex AI TPU {generation}", f"vertex.{generation}", 1)]
        spot = _true(measures.get("spot", False))
        return [
            ("chip_hours", f"Cloud TPU {generation}{' spot' if spot else ''}", f"tpu.{generation}{'_spot' if spot else ''}", 1)
        ]
    return []


def _true(value: Any) -> bool:
    """A truth as JSON has it, or as a service writes it."""
    return value.lower() in ("true", "1", "yes") if isinstance(value, str) else bool(value)


def _region(measures: Mapping[str, Any]) -> str:
    """The region that a job ran in: as its statistics tell, or the deployment's."""
    zone = str(measures.get("zone", ""))  # or, of Vertex AI, a region
    return str(measures.get("region", "")) or re.sub(r"-[a-z]$", "", zone) or get_settings().region
