"""Every remote step meets every fault, through our operators with Airflow's retries: a table of what came of it.

Each cell is a task of its own run. It ends green with a whole dataset of the local run's digest, or fails and leaves no manifest.
No job is started twice but for one that failed, nothing is left running, and no TPU exists at the end. The table goes to
TOOLS/faults.txt; `make test-cloud` shows it.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from airflow.sdk import BaseOperator, Context

from operators.base import StageOperator
from operators.reddit import CheckCommentsOperator, ConversationsOperator, DeduplicateOperator, IngestOperator, ThreadsOperator
from operators.remote_work import RemoteWorkTrigger
from tests.dags.driving import Outcome, drive
from tests.fakes.google_cloud import GoogleCloud, google_cloud
from tests.operators.contexts import form
from tests.training.remote.cloud import Cloud, Work
from threadmill.cloud.work import Look, Waiting
from threadmill.corpora.sample import write_sample
from threadmill.datasets import storage
from threadmill.datasets.dataset import verify
from threadmill.datasets.manifest import find_manifest, read_manifest
from threadmill.engine.run import run_stage
from threadmill.engine.site import local_site
from threadmill.engine.stage import Stage
from threadmill.settings import get_settings
from threadmill.training.remote import tpu, tpu_client

pytestmark = pytest.mark.cloud

MONTH = "2006-01"


@dataclass(frozen=True)
class Fault:
    """A column.

    Attributes:
        kind: of the fake; "killed" for a launcher that is gone after it has submitted, "" for none.
        call: that meets it, where it is not the one that starts the step's work.
        ends: how the task must end.
        failures: jobs that fail by it, and so are started once more.
    """

    kind: str
    call: str = ""
    ends: str = "green"
    failures: int = 0


PASSING = (Fault(""), Fault("503"), Fault("429"), Fault("timeout"), Fault("lost_response"), Fault("killed"))
UPLOADS = (Fault("503", "storage.objects.insert"), Fault("wrong_crc", "storage.objects.insert"))
FAULTS = {
    "dataflow": (*PASSING, Fault("existing"), Fault("failed", failures=1), Fault("cancelled", ends="failed"), *UPLOADS),
    "bigquery": (*PASSING, Fault("quota"), Fault("failed", failures=1), Fault("cancelled", ends="failed")),
    "tpu": (
        *PASSING, Fault("no_capacity", failures=1), Fault("boot_failure", failures=1), Fault("preempt", failures=1),
        Fault("preempt_node", failures=1), Fault("stuck", failures=1),
    ),
}  # fmt: skip
STARTS = {"dataflow": "dataflow.jobs.create", "bigquery": "bigquery.jobs.insert", "tpu": "tpu.CreateQueuedResource"}


class WorkOperator(StageOperator):
    """Trains, as far as the launcher sees it: the host writes one shard."""

    work = "trainer"

    def make_stage(self, context: Context) -> Stage:
        return Work()


@dataclass
class World:
    """The servers, the datasets that the steps begin from, and the table so far."""

    cloud: GoogleCloud
    inputs: dict[str, str]
    digests: dict[str, str]
    host: Cloud
    table: dict[tuple[str, str], str] = field(default_factory=dict)

    def operator(self, step: str, output: str) -> BaseOperator:
        """The task of a step."""
        uris = self.inputs
        makers: dict[str, Callable[[], BaseOperator]] = {
            "ingest": lambda: IngestOperator(task_id=step, sources=[uris["dump"]], month=MONTH, ledger="", uri=output),
            "check_comments": lambda: CheckCommentsOperator(task_id=step, comments=uris["comments"], month=MONTH, previous=""),
            "threads": lambda: ThreadsOperator(
                task_id=step, comments=uris["comments"], lookback=[], month=MONTH, ledger="", uri=output
            ),
            "conversations": lambda: ConversationsOperator(task_id=step, threads=uris["threads"], uri=output),
            "deduplicate": lambda: DeduplicateOperator(
                task_id=step, conversations=uris["conversations"], signatures=uris["signatures"], earlier=[], uri=output
            ),
            "train": lambda: WorkOperator(task_id=step, uri=output),
        }
        return makers[step]()


# What each step asks of which service; a step that asks several meets each one's faults.
STEPS = {
    "ingest": ("dataflow",),
    "check_comments": ("bigquery",),
    "threads": ("bigquery", "dataflow"),
    "conversations": ("dataflow",),
    "deduplicate": ("bigquery", "dataflow"),
    "train": ("tpu",),
}
CELLS = [
    pytest.param(step, service, fault, id=f"{step}-{service}-{fault.call}{fault.kind or 'none'}")
    for step, services in STEPS.items()
    for service in services
    for fault in FAULTS[service]
]


def context_of(run_id: str, step: str) -> Context:
    """What Airflow hands to the task of this run."""
    ti = SimpleNamespace(dag_id="faults", run_id=run_id, task_id=step, map_index=-1)
    return cast(Context, {"params": form(num_shards_train=2), "ti": ti, "dag_run": SimpleNamespace(run_type="manual")})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Datasets made by one undisturbed task after the other, each held to the local run of its stage."""
    folder = tmp_path_factory.mktemp("world")
    with pytest.MonkeyPatch.context() as patch, google_cloud(folder, execute_tpu=False) as cloud:
        for name, seconds in (("_FIRST_WAIT", 0.01), ("_LONGEST_WAIT", 0.05), ("_RETRY_SECONDS", 2.0)):
            patch.setattr(tpu_client, name, seconds)
        for name in ("BOOT_SECONDS", "STALE_SECONDS"):
            patch.setattr(tpu, name, 2.0)
        patch.setenv("THREADMILL_TPU_QUEUE_HOURS", str(2 / 3600))
        get_settings.cache_clear()
        made = World(cloud, {}, {}, Cloud(cloud.tpu, cloud.storage))
        _let_hosts_work(made.host, patch)
        dump = folder / "dump"
        dump.mkdir()
        write_sample(str(dump), comments=1_500, start=MONTH)
        made.inputs["dump"] = cloud.warehouse.upload(dump, "dump") + f"/RC_{MONTH}.zst"
        _make_inputs(made, folder)
        yield made
    _tell(made.table)


def _make_inputs(world: World, folder: Path) -> None:
    from operators.reddit import SignaturesOperator

    names = {"ingest": "comments", "threads": "threads", "conversations": "conversations", "deduplicate": "deduplicated"}
    for step in ("ingest", "threads", "conversations", "signatures", "deduplicate"):
        name = names.get(step, step)
        uri = world.inputs[name] = f"{world.cloud.root}/inputs/{name}"
        if step == "signatures":
            operator: Any = SignaturesOperator(task_id=step, conversations=world.inputs["conversations"], uri=uri)
        else:
            operator = world.operator(step, uri)
        made = run_stage(operator.make_stage(context_of("inputs", step)), str(folder / name), name=name, site=local_site(1))
        world.digests[step] = made.digest
        world.cloud.warehouse.upload(folder / name, f"threadmill/inputs/{name}")


def _let_hosts_work(host: Cloud, patch: pytest.MonkeyPatch) -> None:
    """Between two looks of the trigger the TPU's host does its work."""
    look = RemoteWorkTrigger._look

    def look_and_work(trigger: RemoteWorkTrigger) -> Look:
        found = look(trigger)
        if found.state == host.active:
            host.be_host(Waiting(**trigger.waiting))
        return found

    patch.setattr(RemoteWorkTrigger, "_look", look_and_work)


@pytest.mark.parametrize(("step", "service", "fault"), CELLS)
def test_a_fault_starts_nothing_twice_leaves_nothing_and_passes_nothing_half_done_for_green(
    world: World, step: str, service: str, fault: Fault
) -> None:
    run_id = f"{service}-{fault.call}-{fault.kind}"
    name = {"ingest": "comments", "deduplicate": "deduplicated", "train": "model"}.get(step, step)
    output = f"{world.cloud.root}/{run_id}/{name}"
    for faults in world.cloud.faults.values():
        faults.clear()
    world.host.attempts.clear()
    world.host.says = {1: "silent"} if fault.kind == "boot_failure" else {}
    call = fault.call or STARTS[service]
    if fault.kind not in ("", "killed"):
        world.cloud.faults[call.partition(".")[0]].add(call, fault.kind, seconds=0.5)

    before = _started(world.cloud)
    outcome = drive(
        lambda: world.operator(step, output), context_of(run_id, step), kill_after_submit=fault.kind == "killed"
    )  # fmt: skip
    started = {work: number - before.get(work, 0) for work, number in _started(world.cloud).items()}

    world.table[f"{step} ({service})", f"{fault.call.removeprefix('storage.')} {fault.kind}".strip() or "none"] = _cell(
        outcome, sum(started.values())
    )
    if fault.kind not in ("", "killed"):
        assert sum(world.cloud.faults[call.partition(".")[0]].met.values()) == 1, "the fault was not met"
    assert outcome.state == fault.ends, outcome.error
    _check_dataset(world, step, output, green=outcome.state == "green")
    again = {work: number for work, number in started.items() if number > 1}
    assert sum(again.values()) - len(again) <= fault.failures, f"started twice: {again}"
    assert world.cloud.dataflow.ledger.active == []
    assert _existing(world.cloud) == []


def _started(cloud: GoogleCloud) -> dict[str, int]:
    """How often each piece of remote work was started, by its name: that of a TPU less the number of its attempt."""
    found: dict[str, int] = dict(cloud.bigquery.runs)
    for job in cloud.dataflow.ledger.jobs:
        found[job.name] = found.get(job.name, 0) + 1
    for entry in cloud.tpu.ledger.entries:
        found[entry.id] = found.get(entry.id, 0) + 1
    return found


def _existing(cloud: GoogleCloud) -> list[str]:
    """TPUs that exist still; a deletion takes the fake a moment."""
    import time

    for _ in range(50):
        if not cloud.tpu.ledger.existing:
            break
        time.sleep(0.1)
    return cloud.tpu.ledger.existing


def _check_dataset(world: World, step: str, output: str, *, green: bool) -> None:
    if step == "check_comments":
        return
    if not green:
        assert find_manifest(output) is None
        return
    assert verify(output) == []
    assert step not in world.digests or read_manifest(output).digest == world.digests[step]
    hidden = [uri for uri in world.cloud.storage.objects(output) if "/." in uri.removeprefix(output)]
    assert [uri for uri in hidden if not storage.name_of(uri).startswith(".lock")] == []


def _cell(outcome: Outcome, jobs: int) -> str:
    tries = f"{outcome.tries} tries" if outcome.tries > 1 else "1 try"
    return f"{outcome.state}, {tries}, {jobs} started"


def _tell(table: dict[tuple[str, str], str]) -> None:
    columns = list(dict.fromkeys(fault for _, fault in table))
    rows = list(dict.fromkeys(step for step, _ in table))
    lines = [f"{'step':26}{'fault':26}came of it"]
    lines += [f"{row:26}{column:26}{table[row, column]}" for row in rows for column in columns if (row, column) in table]
    folder = Path(os.environ.get("TOOLS", ".tools"))
    if folder.is_dir():
        (folder / "faults.txt").write_text("\n".join(lines) + "\n")
