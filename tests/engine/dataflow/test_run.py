import os
import subprocess
import sys
import time
from pathlib import Path

import orjson
import pytest

from tests.engine.dataflow.conftest import Cloud
from tests.engine.stages import NumbersConfig, NumbersStage
from threadmill.cloud import work
from threadmill.cloud.package import build_id
from threadmill.datasets import storage
from threadmill.datasets.dataset import verify
from threadmill.datasets.manifest import InputEntry, Manifest, find_manifest
from threadmill.engine.dataflow import service
from threadmill.engine.run import run_stage, stage_steps
from threadmill.engine.site import local_site, settings_site, shell_identity
from threadmill.errors import ConfigError, InputError, RemoteCancelledError, RemoteWorkError

REPOSITORY = Path(__file__).parents[3]


def run_here(cloud: Cloud, folder: Path) -> Manifest:
    manifest = run_stage(NumbersStage(str(cloud.control)), str(folder), name="numbers", site=local_site(1))
    for path in cloud.control.glob("ran-*"):
        path.unlink()
    return manifest


def run_there(cloud: Cloud, uri: str) -> Manifest:
    return run_stage(NumbersStage(str(cloud.control)), uri, name="numbers")


def waiting(cloud: Cloud, uri: str) -> work.Waiting:
    """The job, submitted or adopted, as an operator gets it that defers."""
    site = settings_site(shell_identity("numbers", uri))
    steps = stage_steps(NumbersStage(str(cloud.control)), uri, site=site, name="numbers")
    found = next(steps)
    steps.close()
    return found


def states(uri: str) -> list[str]:
    """Of the records of jobs that an unfinished dataset keeps."""
    folder = storage.join(uri, work.JOBS)
    return [orjson.loads(storage.read_bytes(storage.join(folder, name)))["state"] for name in storage.list_names(folder)]


def await_begin(cloud: Cloud, name: int) -> None:
    deadline = time.monotonic() + 90
    while not list(cloud.control.glob(f"ran-{name}-*")):
        assert time.monotonic() < deadline, "no worker began the task"
        time.sleep(0.02)


def test_the_submitted_graph_writes_the_bytes_of_the_local_engine(cloud: Cloud, uri: str, tmp_path: Path) -> None:
    here = run_here(cloud, tmp_path / "here")
    there = run_there(cloud, uri)
    assert there.digest == here.digest
    assert verify(uri) == []
    for file in (*here.shards, *here.dead_letters):
        assert storage.read_bytes(storage.join(uri, file.name)) == (tmp_path / "here" / file.name).read_bytes()
    assert storage.list_names(uri) == sorted(os.listdir(tmp_path / "here")), "nothing else is left"
    root = uri.rpartition("/")[0]
    assert not [name for name in cloud.storage.objects() if name.startswith(f"{root}/staging/")]


def test_what_the_job_used_and_counted_is_in_the_manifest(cloud: Cloud, uri: str) -> None:
    (job,) = run_there(cloud, uri).jobs
    assert (job["kind"], job["id"], job["state"]) == ("dataflow", cloud.dataflow.ledger.jobs[0].id, "DONE")
    assert job["started"] <= job["ended"]
    measures = job["measures"]
    assert measures["numbers_tasks"] == 4
    assert (measures["numbers_read"], measures["numbers_written"], measures["numbers_dropped_tenth"]) == (4000, 3600, 400)
    assert measures["vcpu_hours"] > 0
    assert measures["memory_gb_hours"] == pytest.approx(4 * measures["vcpu_hours"])
    assert measures["disk_gb_hours"] == pytest.approx(25 * measures["vcpu_hours"])
    assert measures["shuffle_gb"] == 0.001


def test_the_job_is_what_the_settings_ask_for(cloud: Cloud, uri: str) -> None:
    cloud.set(
        dataflow_machine_type="n2-highmem-8",
        dataflow_workers="3",
        dataflow_max_workers="5",
        dataflow_disk_gb="50",
        dataflow_network="shared",
        dataflow_subnetwork="regions/us-central1/subnetworks/workers",
        dataflow_service_account="workers@project-one.iam.gserviceaccount.com",
        dataflow_private_ips="true",
        dataflow_flexrs="true",
        dataflow_image="us-docker.pkg.dev/project-one/threadmill/worker:1",
        labels="team=nlp",
    )
    cloud.dataflow.faults.add("jobs.create", "stuck")
    waiting(cloud, uri)
    (job,) = cloud.dataflow.ledger.jobs
    pool, environment = job.pool, job.body["environment"]
    assert (pool["machineType"], pool["numWorkers"], pool["diskSizeGb"]) == ("n2-highmem-8", 3, 50)
    assert pool["autoscalingSettings"]["maxNumWorkers"] == 5
    assert (pool["network"], pool["subnetwork"]) == ("shared", "regions/us-central1/subnetworks/workers")
    assert pool["ipConfiguration"] == "WORKER_IP_PRIVATE"
    assert pool["sdkHarnessContainerImages"][0]["containerImage"] == "us-docker.pkg.dev/project-one/threadmill/worker:1"
    assert pool["numThreadsPerWorker"] == 1
    assert environment["serviceAccountEmail"] == "workers@project-one.iam.gserviceaccount.com"
    assert environment["flexResourceSchedulingGoal"] == "FLEXRS_COST_OPTIMIZED"
    assert environment["tempStoragePrefix"].startswith("storage.googleapis.com/bucket-one/root/")
    assert job.body["type"] == "JOB_TYPE_BATCH"
    assert (job.body["projectId"], job.body["location"]) == ("project-one", "us-central1")
    assert job.name.startswith("threadmill-shell-numbers-")
    assert job.body["labels"]["team"] == "nlp"
    assert job.body["labels"]["threadmill_task"] == "numbers"


def test_no_credential_is_in_the_job_or_in_what_is_staged(cloud: Cloud, uri: str) -> None:
    cloud.dataflow.faults.add("jobs.create", "stuck")
    handle = waiting(cloud, uri).to_json()
    assert "credentials" not in str(cloud.dataflow.ledger.jobs[0].body)
    assert "credentials" not in str(handle)


class TestAnActiveJobOfTheName:
    @pytest.mark.slow
    def test_is_adopted_by_the_next_try(self, cloud: Cloud, uri: str, tmp_path: Path) -> None:
        (cloud.control / "wait-2").touch()
        first = waiting(cloud, uri)
        await_begin(cloud, 2)
        second = waiting(cloud, uri)
        assert second.handle["job"] == first.handle["job"]
        (cloud.control / "wait-2").unlink()
        work.wait(second)
        assert run_there(cloud, uri).digest == run_here(cloud, tmp_path / "here").digest
        assert len(cloud.dataflow.ledger.jobs) == 1

    @pytest.mark.slow
    def test_is_adopted_where_the_launcher_was_killed_after_it_submitted(self, cloud: Cloud, uri: str, tmp_path: Path) -> None:
        (cloud.control / "wait-2").touch()
        program = (
            "import sys; from tests.engine.stages import NumbersStage; from threadmill.engine.run import run_stage;"
            "run_stage(NumbersStage(sys.argv[1]), sys.argv[2], name='numbers')"
        )
        with subprocess.Popen([sys.executable, "-c", program, str(cloud.control), uri], cwd=REPOSITORY) as launcher:
            await_begin(cloud, 2)
            launcher.kill()
        (cloud.control / "wait-2").unlink()
        assert run_there(cloud, uri).digest == run_here(cloud, tmp_path / "here").digest
        assert len(cloud.dataflow.ledger.jobs) == 1

    @pytest.mark.parametrize("answer", ["409", "existing"])
    def test_that_was_not_seen_before_is_adopted_when_the_name_is_refused(
        self, cloud: Cloud, uri: str, answer: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two launchers at once: both looked before either submitted."""
        cloud.dataflow.faults.add("jobs.create", "stuck")
        first = waiting(cloud, uri)
        monkeypatch.setattr("threadmill.engine.dataflow.run.find_job", lambda *_: None)
        if answer == "existing":
            cloud.dataflow.faults.add("jobs.create", "existing")
        assert waiting(cloud, uri).handle["job"] == first.handle["job"]
        assert len(cloud.dataflow.ledger.jobs) == 1


class TestALostAnswer:
    @pytest.mark.parametrize("kind", ["lost_response", "503"])
    def test_of_the_creation_makes_no_second_job(self, cloud: Cloud, uri: str, kind: str) -> None:
        cloud.dataflow.faults.add("jobs.create", kind, seconds=0.1)
        found = waiting(cloud, uri)
        assert [job.id for job in cloud.dataflow.ledger.jobs] == [found.handle["job"]]
        assert cloud.dataflow.faults.calls["dataflow.jobs.create"] == 2


class TestAJobThatEnds:
    def test_because_it_failed_is_told_with_its_last_message_and_its_page(self, cloud: Cloud, uri: str) -> None:
        cloud.dataflow.faults.add("jobs.create", "failed")
        with pytest.raises(RemoteWorkError) as raised:
            run_there(cloud, uri)
        message = str(raised.value)
        assert "failed: Workflow failed. Causes: the workers could not be started.; run it again to do what is missing" in message
        assert message.endswith(f"/jobs/us-central1/{cloud.dataflow.ledger.jobs[0].id}?project=project-one")
        assert find_manifest(uri) is None
        assert states(uri) == ["FAILED"]

    def test_because_a_worker_found_a_fault_of_the_input_is_told_as_that(self, cloud: Cloud, uri: str) -> None:
        (cloud.control / "fail-2").touch()
        with pytest.raises(InputError, match=r"Dataflow job threadmill-.*: number 2 is missing; write it: https://console"):
            run_there(cloud, uri)
        assert find_manifest(uri) is None

    def test_because_somebody_cancelled_it_is_told_as_that(self, cloud: Cloud, uri: str) -> None:
        cloud.dataflow.faults.add("jobs.create", "cancelled")
        with pytest.raises(
            RemoteCancelledError, match="was cancelled; run it again when it is wanted after all: https://console"
        ):
            run_there(cloud, uri)
        assert states(uri) == ["CANCELLED"]

    def test_with_its_task_is_noted_by_the_next_try_which_submits_another(self, cloud: Cloud, uri: str) -> None:
        cloud.dataflow.faults.add("jobs.create", "cancelled")
        found = waiting(cloud, uri)
        while not service.look(found.handle).over:
            pass
        cloud.dataflow.faults.add("jobs.create", "stuck")
        assert waiting(cloud, uri).handle["job"] != found.handle["job"]
        assert states(uri) == ["CANCELLED"]

    @pytest.mark.parametrize("kind", ["failed", "cancelled"])
    def test_not_well_is_told_as_that_where_its_statistics_cannot_be_had(self, cloud: Cloud, uri: str, kind: str) -> None:
        cloud.dataflow.faults.add("jobs.create", kind)
        cloud.dataflow.faults.add("jobs.metrics", "403")
        with pytest.raises((RemoteWorkError, RemoteCancelledError), match=f"{kind}.*run it again"):
            run_there(cloud, uri)
        assert states(uri) == []

    @pytest.mark.slow
    def test_is_followed_by_one_that_does_only_what_is_missing(self, cloud: Cloud, uri: str, tmp_path: Path) -> None:
        (cloud.control / "fail-2").touch()
        with pytest.raises(InputError):
            run_there(cloud, uri)
        done = {int(name[6:11]) for name in storage.list_names(f"{uri}/.receipts") if name.startswith("train")}
        for path in cloud.control.iterdir():
            path.unlink()
        there = run_there(cloud, uri)
        assert {int(path.name.split("-")[1]) for path in cloud.control.glob("ran-*")} == {0, 1, 2, 3} - done
        assert there.digest == run_here(cloud, tmp_path / "here").digest
        assert [job.state for job in cloud.dataflow.ledger.jobs] == ["FAILED", "DONE"]

    @pytest.mark.slow
    def test_well_but_without_all_results_fails_the_try_and_is_followed_by_one_more(self, cloud: Cloud, uri: str) -> None:
        """Nothing is believed but the output; a try that is resumed again and again submits no job each time."""
        cloud.dataflow.faults.add("jobs.create", "stuck")
        found = waiting(cloud, uri)
        job = cloud.dataflow.ledger.jobs[0]
        job.plan = "done"
        for _ in range(3):
            service.look(found.handle)
        work.settle(found)
        with pytest.raises(RemoteWorkError, match=r"is DONE, but 4 of its tasks have left no result in .*run it again to do"):
            waiting(cloud, uri)
        assert find_manifest(uri) is None
        assert len(cloud.dataflow.ledger.jobs) == 1
        assert run_there(cloud, uri).counters.written == 3600
        assert len(cloud.dataflow.ledger.jobs) == 2


class TestAWait:
    def test_that_is_interrupted_cancels_the_job(self, cloud: Cloud, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
        cloud.dataflow.faults.add("jobs.create", "stuck")
        found = waiting(cloud, uri)

        def interrupt(seconds: float) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr("threadmill.cloud.work.time.sleep", interrupt)
        with pytest.raises(KeyboardInterrupt):
            work.wait(found)
        assert service.look(found.handle).state == "CANCELLING"
        assert service.look(found.handle).over
        assert not cloud.dataflow.ledger.active

    @pytest.mark.slow
    def test_ends_a_worker_at_work_with_its_job(self, cloud: Cloud, uri: str) -> None:
        (cloud.control / "wait-2").touch()
        found = waiting(cloud, uri)
        await_begin(cloud, 2)
        service.cancel(found.handle)
        while not (look := service.look(found.handle)).over:
            pass
        assert look.state == "CANCELLED"
        with pytest.raises(RemoteCancelledError) as raised:
            service.outcome(found.handle)
        assert raised.value.record is not None
        assert raised.value.record.state == "CANCELLED"

    def test_tells_each_message_once_and_turns_pages(self, cloud: Cloud, uri: str) -> None:
        cloud.dataflow.faults.add("jobs.create", "stuck")
        handle = dict(waiting(cloud, uri).handle)
        job = cloud.dataflow.ledger.jobs[0]
        told: list[str] = []
        for text in ("one", "two", "three", "four", "five"):
            job.tell(text)
            job.tell("chatter", "JOB_MESSAGE_DEBUG")
            look = service.look(handle)
            told.extend(line for line in look.lines if line.split()[-1] in ("one", "two", "three", "four", "five", "chatter"))
            handle = dict(look.handle or handle)
        assert told == [f"basic: {text}" for text in ("one", "two", "three", "four", "five")]

    def test_of_a_job_that_is_gone_is_over(self, cloud: Cloud) -> None:
        handle = service.handle_of("project-one", "us-central1", "none", "threadmill-a")
        assert service.look(handle).over
        with pytest.raises(RemoteWorkError, match=r"Dataflow job threadmill-a \(none\) is gone from project project-one; run it"):
            service.outcome(handle)
        service.cancel(handle)

    def test_cancels_a_job_that_has_ended_without_an_error(self, cloud: Cloud, uri: str) -> None:
        cloud.dataflow.faults.add("jobs.create", "cancelled")
        handle = waiting(cloud, uri).handle
        while not service.look(handle).over:
            pass
        service.cancel(handle)


def test_an_input_on_this_machine_is_refused_before_anything_is_submitted(cloud: Cloud, uri: str, tmp_path: Path) -> None:
    there = InputEntry("source", "ab" * 32, str(tmp_path))
    with pytest.raises(
        ConfigError, match="is on this machine, where Dataflow's workers cannot read it; copy it to Cloud Storage"
    ):
        run_stage(NumbersStage(str(cloud.control), inputs=(there,)), uri)
    assert not cloud.dataflow.faults.calls


def test_an_output_on_this_machine_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match="is not in Cloud Storage, where Dataflow's workers could write it; set THREADMILL_ROOT"
    ):
        run_stage(NumbersStage(str(cloud.control)), str(tmp_path / "numbers"))


@pytest.mark.parametrize(
    ("code", "remedy"), [("403", "grant the account roles/dataflow.developer"), ("404", "check THREADMILL_PROJECT and")]
)
def test_a_refusal_is_one_line_with_the_remedy(cloud: Cloud, uri: str, code: str, remedy: str) -> None:
    cloud.dataflow.faults.add("jobs.list", code)
    with pytest.raises(ConfigError) as raised:
        run_there(cloud, uri)
    assert remedy in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.slow
def test_a_worker_of_another_build_refuses_the_job(cloud: Cloud, uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threadmill.engine.beam.pipeline.build_id", lambda: "0123456789abcdef")
    with pytest.raises(
        ConfigError, match=f"this worker has build {build_id()} of threadmill, but the job was launched by build 01"
    ):
        run_stage(NumbersStage(str(cloud.control), NumbersConfig(1)), uri)


FAULTS = ("503", "429", "500", "timeout", "lost_response")
CALLS = ("create", "get", "list", "messages", "metrics")


@pytest.mark.slow
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("kind", FAULTS)
def test_no_fault_at_any_call_makes_a_second_job_or_costs_a_byte(
    cloud: Cloud, uri: str, tmp_path: Path, call: str, kind: str
) -> None:
    cloud.dataflow.faults.add(f"jobs.{call}", kind, seconds=0.1)
    there = run_there(cloud, uri)
    assert cloud.dataflow.faults.met[f"dataflow.jobs.{call}", kind] == 1
    assert there.digest == run_here(cloud, tmp_path / "here").digest
    assert verify(uri) == []
    assert [job.state for job in cloud.dataflow.ledger.jobs] == ["DONE"]
