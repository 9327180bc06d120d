"""Cloud TPU and Cloud Storage as fakes, a stage of which a host may do the work, and a run of it from the launcher's side."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import pytest

from tests.fakes.cloud_storage import FakeCloudStorage
from tests.fakes.cloud_tpu import FakeCloudTpu
from threadmill.cloud.identity import RunIdentity
from threadmill.cloud.work import Waiting, service, settle
from threadmill.datasets.counters import Counters
from threadmill.datasets.manifest import Field, InputEntry, Manifest
from threadmill.engine.receipts import write_receipt
from threadmill.engine.run import stage_steps
from threadmill.engine.site import Site
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.errors import RemoteWorkError
from threadmill.settings import get_settings
from threadmill.training.remote import tpu_client
from threadmill.training.remote.attempts import AttemptFolder, Heartbeat, HostStatus, now
from threadmill.training.remote.phase import AcceleratorPhase
from threadmill.training.remote.spec import read_spec

ZONES = "us-west4-a,us-central1-a"
OUTPUT = "gs://bucket/model"
SITE = Site(RunIdentity("refresh", "manual__1", "train"), trainer="tpu")
LAST_LOOK = 400


class Work(MapStage):
    """Writes one shard."""

    name, version, unit = "train", 1, "records"
    backend = "jax"

    def __init__(self) -> None:
        self.config: Mapping[str, Any] = {"steps": 3}

    def plan(self) -> Plan:
        return Plan((InputEntry("records", "digest", "gs://bucket/records"),), (Task("train"),), (Field("model", "bytes"),))

    def phases(self, run: Any) -> Any:
        return () if run.site.trainer == "local" else (AcceleratorPhase(self, run),)

    def arguments(self) -> Mapping[str, Any]:
        return {}

    @classmethod
    def from_arguments(cls, arguments: Mapping[str, Any]) -> Self:
        return cls()

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        with output.shard("model.bin") as stream:
            stream.write(b"weights")
            stream.records = 1
        return output.result(task, Counters(read=1, kept=1, written=1), {"loss": 0.5})


@dataclass
class Cloud:
    """Both fakes, and what hosts do there: a thread that does at each ACTIVE queued resource what ``says`` tells.

    Attributes:
        says: the last words of attempts by their number, said at the second look; 0 where none is told. "beats" only lives,
            "once" has one heartbeat, "silent" none.
    """

    tpu: FakeCloudTpu
    storage: FakeCloudStorage
    says: dict[int, HostStatus | str] = field(default_factory=dict)
    lines: list[str] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    looked_at: list[str] = field(default_factory=list)
    beats: list[str] = field(default_factory=list)
    active: str = "ACTIVE"

    def run(self, site: Site = SITE, output: str = OUTPUT, stage: MapStage | None = None) -> Manifest:
        """The run as an operator goes through it: after each wait all of it again from its beginning."""
        while True:
            steps = stage_steps(stage or Work(), output, site=site)
            try:
                waiting = next(steps)
            except StopIteration as end:
                return end.value
            steps.close()
            self.wait(waiting)

    def wait(self, waiting: Waiting) -> None:
        """As the trigger: looks until it is over, with the handle of the look before; then settles it."""
        handle = waiting.handle
        self.looked_at.append(waiting.handle["name"])
        for _ in range(LAST_LOOK):
            try:
                found = service(waiting.kind).look(handle)
            except RemoteWorkError:
                continue
            self.lines += found.lines
            handle = found.handle or handle
            if found.over:
                settle(waiting)
                return
            if found.state == self.active:
                self.be_host(waiting)
            elif found.state == "DELETING":
                time.sleep(0.05)
        raise AssertionError(f"{waiting.what} is not over after {LAST_LOOK} looks")

    def be_host(self, waiting: Waiting) -> None:
        """What the host of that attempt does."""
        folder = AttemptFolder(waiting.handle["folder"])
        spec = read_spec(folder.spec_uri)
        says = self.says.get(spec.attempt, HostStatus(0, spec.attempt))
        if says == "silent" or not self._is_up(waiting.handle["name"]):
            return
        if is_new := spec.attempt not in self.attempts:
            self.attempts.append(spec.attempt)
        if is_new or says == "beats":
            folder.beat(Heartbeat(now(), spec.attempt, "training", 2, 3, 0.75, 120.0))
        if is_new or isinstance(says, str):
            return
        if says.exit_code == 0:
            output = TaskOutput(spec.output)
            write_receipt(spec.output, spec.key, Work().process(Task("train"), output))
        folder.note_status(says)

    def _is_up(self, name: str) -> bool:
        resource = self.tpu._resources.get(name)
        return resource is not None and (
            resource.fate is None or resource.fate.kind not in ("boot_failure", "preempt", "preempt_node")
        )


@contextmanager
def made_cloud(folder: Path, monkeypatch: pytest.MonkeyPatch, **options: Any) -> Iterator[Cloud]:
    """Both fakes, and the settings that point to them."""
    with FakeCloudTpu(**options) as fake, FakeCloudStorage(folder / "buckets") as store:
        store.make_bucket("bucket")
        variables = {
            **fake.variables,
            "STORAGE_EMULATOR_HOST": store.url,
            "THREADMILL_PROJECT": "p1",
            "THREADMILL_TPU_ZONES": ZONES,
            "THREADMILL_TPU_ATTEMPTS": "4",
            "THREADMILL_ROOT": "gs://bucket",
            "TMPDIR": str(folder),
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(tpu_client, "_FIRST_WAIT", 0.01)
        monkeypatch.setattr(tpu_client, "_LONGEST_WAIT", 0.05)
        monkeypatch.setattr(tpu_client, "_RETRY_SECONDS", 2.0)
        get_settings.cache_clear()
        yield Cloud(fake, store)
    get_settings.cache_clear()
