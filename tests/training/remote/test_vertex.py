from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.fakes.cloud_storage import FakeCloudStorage
from tests.fakes.vertex import FakeVertex
from tests.training.remote.cloud import OUTPUT, SITE, Cloud, Work
from threadmill.cloud.work import service
from threadmill.engine.run import stage_steps
from threadmill.errors import BudgetError, ConfigError, InputError, RemoteCancelledError, RemoteWorkError
from threadmill.settings import get_settings
from threadmill.training.remote import vertex_client
from threadmill.training.remote.attempts import AttemptFolder, HostStatus

VERTEX = replace(SITE, trainer="vertex")
CREATE = "vertex.CreateCustomJob"


class VertexCloud(Cloud):
    """As `Cloud`, with Vertex AI in place of Cloud TPU: a job ends as its host does."""

    vertex: FakeVertex

    def be_host(self, waiting: object) -> None:
        super().be_host(waiting)  # type: ignore[arg-type]
        handle = waiting.handle  # type: ignore[attr-defined]
        said = self.says.get(handle["number"], HostStatus(0, 1))
        if len(self.beats) > 1 and isinstance(said, HostStatus):
            self.vertex.end(handle["name"], "JOB_STATE_FAILED" if said.exit_code else "JOB_STATE_SUCCEEDED")

    def _is_up(self, name: str) -> bool:
        self.beats.append(name)
        return True


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[VertexCloud]:
    with FakeVertex() as vertex, FakeCloudStorage(tmp_path / "buckets") as store:
        store.make_bucket("bucket")
        variables = {
            "THREADMILL_VERTEX_ENDPOINT": vertex.endpoint,
            "STORAGE_EMULATOR_HOST": store.url,
            "THREADMILL_PROJECT": "p1",
            "THREADMILL_REGION": "us-west4",
            "THREADMILL_VERTEX_IMAGE": "us-docker.pkg.dev/p1/r/threadmill:1",
            "THREADMILL_TPU_ATTEMPTS": "3",
        }
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(vertex_client, "_FIRST_WAIT", 0.01)
        monkeypatch.setattr(vertex_client, "_RETRY_SECONDS", 2.0)
        get_settings.cache_clear()
        made = VertexCloud(SimpleNamespace(), store)  # type: ignore[arg-type]
        made.vertex, made.beats, made.active = vertex, [], "JOB_STATE_RUNNING"  # type: ignore[attr-defined]
        yield made
        assert vertex.active == []
    get_settings.cache_clear()


def test_job_does_the_work(cloud: VertexCloud) -> None:
    manifest = cloud.run(site=VERTEX)

    (job,) = cloud.vertex.jobs.values()
    container = job.job_spec.worker_pool_specs[0].container_spec
    assert list(container.command) == ["python", "-m", "threadmill.training.remote.host"]
    assert job.labels["threadmill_dag"] == "refresh"
    assert job.job_spec.worker_pool_specs[0].machine_spec.tpu_topology == "2x4"
    (record,) = manifest.jobs
    assert (record["kind"], record["state"]) == ("vertex", "finished")
    assert record["measures"]["tpu_type"] == "ct5lp-hightpu-8t"


@pytest.mark.parametrize("fate", ["preempt"])
def test_job_whose_capacity_is_taken_back_is_followed_by_another(cloud: VertexCloud, fate: str) -> None:
    cloud.vertex.faults.add(CREATE, fate)
    manifest = cloud.run(site=VERTEX)

    assert [record["state"] for record in manifest.jobs] == ["preempted", "finished"]


@pytest.mark.parametrize("fate", ["no_capacity", "expire"])
def test_job_that_finds_no_capacity_is_one_line(cloud: VertexCloud, fate: str) -> None:
    cloud.vertex.faults.add(CREATE, fate)
    with pytest.raises(RemoteWorkError, match="no place has an accelerator"):
        cloud.run(site=VERTEX)
    cloud.run(site=VERTEX)

    assert len(cloud.vertex.jobs) == 2


@pytest.mark.parametrize("kind", ["503", "500", "timeout", "lost_response"])
@pytest.mark.parametrize("step", ["CreateCustomJob", "GetCustomJob", "ListCustomJobs"])
def test_fault_of_the_service_makes_no_second_job(cloud: VertexCloud, step: str, kind: str) -> None:
    cloud.vertex.faults.add(f"vertex.{step}", kind, seconds=0.05)
    cloud.run(site=VERTEX)

    assert cloud.vertex.faults.met[f"vertex.{step}", kind] == 1
    assert len(cloud.vertex.jobs) == 1


def test_launcher_that_was_killed_finds_its_job_again(cloud: VertexCloud) -> None:
    next(stage_steps(Work(), OUTPUT, site=VERTEX))
    cloud.run(site=VERTEX)

    assert len(cloud.vertex.jobs) == 1


def test_of_two_jobs_that_two_launchers_make_at_once_one_is_kept(cloud: VertexCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threadmill.training.remote.vertex.find_job", lambda name: None)  # neither sees the other's yet
    first, second = (next(stage_steps(Work(), OUTPUT, site=VERTEX)) for _ in range(2))

    assert first.handle["name"] == second.handle["name"]
    assert cloud.vertex.active == [first.handle["name"]]
    cloud.wait(second)


def test_error_of_the_host_is_its_own(cloud: VertexCloud) -> None:
    cloud.says[1] = HostStatus(2, 1, "no such split", "InputError")
    with pytest.raises(InputError, match=r"^no such split \(attempt 1 in us-west4\)$"):
        cloud.run(site=VERTEX)


def test_task_that_is_ended_cancels_its_job(cloud: VertexCloud) -> None:
    waiting = next(stage_steps(Work(), OUTPUT, site=VERTEX))
    service("vertex").cancel(waiting.handle)
    service("vertex").cancel(waiting.handle)

    assert cloud.vertex.active == []


def test_job_that_somebody_cancelled_is_not_started_again(cloud: VertexCloud) -> None:
    waiting = next(stage_steps(Work(), OUTPUT, site=VERTEX))
    cloud.vertex.end(waiting.handle["name"], "JOB_STATE_CANCELLED")
    with pytest.raises(RemoteCancelledError):
        cloud.wait(waiting)


def test_job_that_somebody_cancelled_and_whose_host_was_asked_to_leave_is_not_started_again(cloud: VertexCloud) -> None:
    waiting = next(stage_steps(Work(), OUTPUT, site=VERTEX))
    AttemptFolder(waiting.handle["folder"]).note_status(HostStatus(75, 1, "asked to leave", "PreemptedError"))
    cloud.vertex.end(waiting.handle["name"], "JOB_STATE_CANCELLED")
    with pytest.raises(RemoteCancelledError):
        cloud.wait(waiting)


def test_job_that_is_taken_up_costs_nothing_new_and_needs_no_leave(cloud: VertexCloud) -> None:
    def refuse() -> None:
        raise BudgetError("the budget is used up")

    spent = replace(VERTEX, before_start=refuse)
    with pytest.raises(BudgetError):
        cloud.run(site=spent)
    next(stage_steps(Work(), OUTPUT, site=VERTEX))
    cloud.run(site=spent)
    assert len(cloud.vertex.jobs) == 1


@pytest.mark.parametrize("variable", ["THREADMILL_REGION", "THREADMILL_VERTEX_IMAGE"])
def test_setting_that_is_missing_is_named(cloud: VertexCloud, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "")
    get_settings.cache_clear()
    with pytest.raises(ConfigError, match=f"set {variable}"):
        cloud.run(site=VERTEX)
