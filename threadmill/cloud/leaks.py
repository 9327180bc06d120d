"""Remote work that nobody waits for any more, and that costs money: found by our labels and names, and removed.

TPUs (queued resources, and nodes without one), BigQuery's scratch datasets and Dataflow's active jobs. What a run that is still
going on has is no leak: `find_leaks` asks its caller, who knows the runs.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from threadmill.cloud.credentials import current_access
from threadmill.cloud.identity import PREFIX
from threadmill.errors import RemoteWorkError, ThreadmillError
from threadmill.settings import get_settings

_DAG, _RUN = "threadmill_dag", "threadmill_run"
_TIMEOUT = 60.0

IsOver = Callable[[Mapping[str, str]], bool]


@dataclass(frozen=True)
class Leak:
    """Remote work that is left over.

    Attributes:
        kind: tpu, tpu_node, bigquery_dataset, dataflow_job, vertex_job.
        name: the full name at its service.
        age: since it was made.
        labels: ours: threadmill_dag, threadmill_run, ...; empty where the service keeps none.
    """

    kind: str
    name: str
    age: timedelta
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """For people."""
        whose = f" of {self.labels[_DAG]}, {self.labels.get(_RUN, '')}" if _DAG in self.labels else ""
        return f"{self.kind} {self.name}, {self.age.total_seconds() / 3600:.1f} hours old{whose}"


@dataclass(frozen=True)
class Search:
    """What was found.

    Attributes:
        leaks: in the order of the services.
        faults: a line for each service, or zone, that could not be searched.
    """

    leaks: tuple[Leak, ...]
    faults: tuple[str, ...]


def search(older_than: timedelta, is_over: IsOver = lambda labels: True) -> Search:
    """Looks in every service that the settings use; one that does not answer hides no other's leaks.

    Args:
        older_than: what is younger is nobody's leak yet.
        is_over: whether the run of these labels has ended, as far as the caller knows.
    """
    found: list[Leak] = []
    faults: list[str] = []
    for kind, finder in _FINDERS.items():
        try:
            found.extend(finder(faults))
        except ModuleNotFoundError as error:
            faults.append(f"{kind}: {error.name} is not installed")
        except ThreadmillError as error:
            faults.append(f"{kind}: {error}")
    leaks = tuple(leak for leak in found if leak.age >= older_than and is_over(leak.labels))
    return Search(leaks, tuple(faults))


def find_leaks(older_than: timedelta, is_over: IsOver = lambda labels: True) -> list[Leak]:
    """As `search`.

    Raises:
        RemoteWorkError: a service does not answer: what it has is not known.
    """
    found = search(older_than, is_over)
    if found.faults:
        raise RemoteWorkError(f"leaks were not looked for everywhere: {'; '.join(found.faults)}")
    return list(found.leaks)


def remove(leak: Leak, *, dry_run: bool = False) -> str:
    """Removes it, and returns a line that tells so; a dry run only tells.

    Raises:
        ConfigError, RemoteWorkError: it could not be removed.
    """
    if dry_run:
        return f"would remove {leak.line}"
    _REMOVERS[leak.kind](leak)
    return f"removed {leak.line}"


def _tpus(faults: list[str]) -> Iterator[Leak]:
    """Queued resources by their names, with the labels of their nodes (they keep none themselves); nodes alone by labels."""
    from threadmill.training.remote.tpu_client import call, tpu_client

    for zone in filter(None, (zone.strip() for zone in get_settings().tpu_zones.split(","))):
        parent = f"projects/{current_access().project}/locations/{zone}"
        try:
            with tpu_client() as client:
                yield from _queued_resources(call(client.list_queued_resources, f"TPUs in {zone}", parent=parent))
                yield from _nodes(call(client.list_nodes, f"TPU nodes in {zone}", parent=parent))
        except ThreadmillError as error:
            faults.append(str(error))


def _queued_resources(resources: Iterable[Any]) -> Iterator[Leak]:
    for resource in resources:
        labels = [dict(spec.node.labels) for spec in resource.tpu.node_spec]
        is_ours = resource.name.rsplit("/", 1)[1].startswith(f"{PREFIX}-")
        if is_ours and resource.state.state.name != "DELETING":
            yield Leak("tpu", resource.name, _age(resource.create_time), _ours(labels[0] if labels else {}))


def _nodes(nodes: Iterable[Any]) -> Iterator[Leak]:
    for node in nodes:
        if not node.queued_resource and _DAG in node.labels and node.state.name != "DELETING":
            yield Leak("tpu_node", node.name, _age(node.create_time), _ours(node.labels))


def _remove_tpu(leak: Leak) -> None:
    from threadmill.training.remote.tpu_client import delete

    delete(leak.name)


def _remove_node(leak: Leak) -> None:
    from google.api_core.exceptions import NotFound

    from threadmill.training.remote.tpu_client import call, tpu_client

    with tpu_client() as client, suppress(NotFound):
        call(client.delete_node, leak.name, name=leak.name)


def _vertex_jobs(faults: list[str]) -> Iterator[Leak]:
    _, _, trainer = get_settings().runs_on
    if trainer != "vertex" and not get_settings().vertex_image:
        return
    from threadmill.training.remote.vertex_client import active_jobs

    for job in active_jobs():
        yield Leak("vertex_job", job.name, _age(job.create_time), _ours(job.labels))


def _cancel_vertex_job(leak: Leak) -> None:
    from threadmill.training.remote.vertex_client import cancel_job

    cancel_job(leak.name)


def _datasets(faults: list[str]) -> Iterator[Leak]:
    """Scratch datasets: those with a name of ours and the label of a DAG. The dataset of the comments is never one."""
    _, warehouse, _ = get_settings().runs_on
    if warehouse != "bigquery":
        return
    from threadmill.warehouse.bigquery.client import open_client
    from threadmill.warehouse.bigquery.faults import explained

    kept = get_settings().bigquery_dataset
    with explained("BigQuery's datasets"):
        client = open_client()
        for item in client.list_datasets(timeout=_TIMEOUT):
            is_ours = item.dataset_id.startswith(f"{PREFIX}_") and item.dataset_id != kept
            if is_ours and _DAG in (dataset := client.get_dataset(item.reference, timeout=_TIMEOUT)).labels:
                yield Leak("bigquery_dataset", f"{item.project}.{item.dataset_id}", _age(dataset.created), _ours(dataset.labels))


def _remove_dataset(leak: Leak) -> None:
    from threadmill.warehouse.bigquery.client import open_client
    from threadmill.warehouse.bigquery.faults import explained

    with explained(leak.name):
        open_client().delete_dataset(leak.name, delete_contents=True, not_found_ok=True, timeout=_TIMEOUT)


def _dataflow_jobs(faults: list[str]) -> Iterator[Leak]:
    """Active jobs with a name of ours and the label of a DAG. Their full name here is REGION/JOB."""
    region, (engine, _, _) = get_settings().region, get_settings().runs_on
    if engine != "dataflow":
        return
    from google.cloud import dataflow

    from threadmill.engine.dataflow.client import PATIENCE, explained, open_client

    where = {"project_id": current_access().project, "location": region}
    active = dataflow.ListJobsRequest(**where, filter=dataflow.ListJobsRequest.Filter.ACTIVE)
    with explained("Dataflow's jobs"):
        client = open_client("Jobs")
        for listed in client.list_jobs(active, **PATIENCE):
            if not listed.name.startswith(f"{PREFIX}-"):
                continue
            view = dataflow.JobView.JOB_VIEW_DESCRIPTION  # the summary has no labels
            job = client.get_job(dataflow.GetJobRequest(**where, job_id=listed.id, view=view), **PATIENCE)
            if _DAG in job.labels:
                yield Leak("dataflow_job", f"{region}/{job.id}", _age(job.create_time), _ours(job.labels))


def _cancel_dataflow_job(leak: Leak) -> None:
    from threadmill.engine.dataflow.service import cancel, handle_of

    region, job_id = leak.name.split("/")
    cancel(handle_of(current_access().project, region, job_id, leak.name))


def _age(made: datetime | None) -> timedelta:
    return datetime.now(UTC) - made if made else timedelta(0)


def _ours(labels: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in labels.items() if name.startswith(f"{PREFIX}_")}


_FINDERS: dict[str, Callable[[list[str]], Iterator[Leak]]] = {
    "Cloud TPU": _tpus,
    "Vertex AI": _vertex_jobs,
    "BigQuery": _datasets,
    "Dataflow": _dataflow_jobs,
}
_REMOVERS: dict[str, Callable[[Leak], None]] = {
    "tpu": _remove_tpu,
    "tpu_node": _remove_node,
    "vertex_job": _cancel_vertex_job,
    "bigquery_dataset": _remove_dataset,
    "dataflow_job": _cancel_dataflow_job,
}
