import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.training.remote.cloud import OUTPUT, SITE, Cloud, Work, made_cloud
from threadmill.cloud.work import service
from threadmill.datasets import storage
from threadmill.engine.run import run_stage, stage_steps
from threadmill.engine.site import Site, local_site
from threadmill.errors import BudgetError, ConfigError, DivergenceError, InputError, RemoteCancelledError, RemoteWorkError
from threadmill.settings import get_settings
from threadmill.training.remote import tpu
from threadmill.training.remote.attempts import AttemptFolder, HostStatus

CREATE = "tpu.CreateQueuedResource"


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with made_cloud(tmp_path, monkeypatch) as made:
        yield made
        assert made.tpu.ledger.existing == []  # none leaks, whatever came
        assert made.tpu.ledger.most_at_once <= 1  # none is a second one


def test_run_on_a_tpu_leaves_the_dataset_of_a_local_run(cloud: Cloud, tmp_path: Path) -> None:
    manifest = cloud.run()

    local = run_stage(Work(), str(tmp_path / "model"), site=local_site())
    assert manifest.digest == local.digest
    (job,) = manifest.jobs
    assert (job["kind"], job["state"]) == ("tpu", "finished")
    assert job["measures"]["tpu_type"] == "v5litepod-8"
    assert job["measures"]["zone"] == "us-west4-a"
    assert job["measures"]["spot"] == "true"
    assert any("step 2 of 3, loss 0.750, 120 sequences/s" in line for line in cloud.lines)
    assert not [name for name in storage.list_names(OUTPUT) if name.startswith(".")]  # what the attempts left is tidied away


def test_request_says_what_the_settings_say(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADMILL_LABELS", "team=language")
    monkeypatch.setenv("THREADMILL_TPU_SUBNETWORK", "regions/us-west4/subnetworks/private")
    monkeypatch.setenv("THREADMILL_TPU_PRIVATE_IPS", "true")
    monkeypatch.setenv("THREADMILL_TPU_SERVICE_ACCOUNT", "trainer@p1.iam.gserviceaccount.com")
    get_settings.cache_clear()
    (waiting,) = [next(stage_steps(Work(), OUTPUT, site=SITE))]

    request = cloud.tpu.get(waiting.handle["name"])
    node = request.tpu.node_spec[0].node
    assert "spot" in request
    assert request.queueing_policy.valid_until_duration.total_seconds() == 24 * 3600
    assert node.labels["team"] == "language"
    assert node.labels["threadmill_dag"] == "refresh"
    assert not node.network_config.enable_external_ips
    assert node.network_config.subnetwork == "regions/us-west4/subnetworks/private"
    assert node.service_account.email == "trainer@p1.iam.gserviceaccount.com"
    assert node.metadata["startup-script"].startswith("#!/bin/bash\n")
    service("tpu").cancel(waiting.handle)
    wait_until_gone(cloud)


@pytest.mark.parametrize(("reservation", "spot"), [("", "false"), ("projects/p1/locations/us-west4-a/reservations/r", "true")])
def test_capacity_that_is_not_taken_away_is_asked_for(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, reservation: str, spot: str
) -> None:
    monkeypatch.setenv("THREADMILL_TPU_RESERVATION", reservation)
    monkeypatch.setenv("THREADMILL_TPU_SPOT", spot)
    get_settings.cache_clear()
    waiting = next(stage_steps(Work(), OUTPUT, site=SITE))

    request = cloud.tpu.get(waiting.handle["name"])
    assert "guaranteed" in request
    assert "spot" not in request
    assert request.reservation_name == reservation
    service("tpu").cancel(waiting.handle)
    wait_until_gone(cloud)


@pytest.mark.parametrize("fate", ["preempt", "preempt_node", "terminate"])
def test_tpu_that_is_taken_away_is_followed_by_another(cloud: Cloud, fate: str) -> None:
    cloud.says[1] = "beats"
    cloud.tpu.faults.add(CREATE, fate, seconds=0)
    manifest = cloud.run()

    assert [job["state"] for job in manifest.jobs] == ["preempted", "finished"]
    assert len(cloud.tpu.ledger.entries) == 2
    assert {entry.zone for entry in cloud.tpu.ledger.entries} == {"us-west4-a"}


@pytest.mark.slow
@pytest.mark.parametrize("fate", ["boot_failure", "freeze"])
def test_host_that_does_not_answer_is_given_up(cloud: Cloud, fate: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tpu, "BOOT_SECONDS", 2.0)
    monkeypatch.setattr(tpu, "STALE_SECONDS", 2.0)
    cloud.says[1] = "silent" if fate == "boot_failure" else "once"
    cloud.tpu.faults.add(CREATE, fate, seconds=0)
    manifest = cloud.run()

    states = [job["state"] for job in manifest.jobs]
    assert (states[0], states[-1]) == ("lost", "finished")


def test_zones_are_asked_in_order(cloud: Cloud) -> None:
    cloud.tpu.faults.add(CREATE, "no_capacity")
    cloud.run()

    assert [entry.zone for entry in cloud.tpu.ledger.entries] == ["us-west4-a", "us-central1-a"]
    assert any("There is no more capacity" in line for line in cloud.lines)


@pytest.mark.slow
def test_request_that_is_stuck_in_the_queue_leaves_it(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADMILL_TPU_QUEUE_HOURS", str(1 / 3600))
    get_settings.cache_clear()
    cloud.tpu.faults.add(CREATE, "stuck")
    cloud.run()

    assert [entry.zone for entry in cloud.tpu.ledger.entries] == ["us-west4-a", "us-central1-a"]


@pytest.mark.slow
def test_without_capacity_anywhere_the_run_fails_and_a_retry_asks_all_again(cloud: Cloud) -> None:
    cloud.tpu.faults.add(CREATE, "no_capacity", times=2)
    with pytest.raises(RemoteWorkError, match=r"no place has an accelerator .*\(asked last: us-central1-a: There is no more cap"):
        cloud.run()
    cloud.run()

    assert [entry.zone for entry in cloud.tpu.ledger.entries] == ["us-west4-a", "us-central1-a", "us-west4-a"]


def test_quota_that_is_used_up_in_all_zones_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with made_cloud(tmp_path, monkeypatch, quota={"us-west4-a": 4, "us-central1-a": 4}) as cloud:
        with pytest.raises(RemoteWorkError, match=r"Quota limit .* Limit: 4 in zone us-central1-a"):
            cloud.run()
        assert cloud.tpu.ledger.entries == []


def test_request_whose_answer_was_lost_has_the_quota_that_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with made_cloud(tmp_path, monkeypatch) as cloud:
        cloud.tpu.faults.add(CREATE, "lost_response")
        cloud.tpu.faults.add(CREATE, "429")
        monkeypatch.setattr("threadmill.training.remote.tpu_client._RETRY_SECONDS", 0.5)
        cloud.run()
        assert [entry.zone for entry in cloud.tpu.ledger.entries] == ["us-west4-a"]


def test_zones_that_change_do_not_move_a_tpu_that_was_asked_for(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    next(stage_steps(Work(), OUTPUT, site=SITE))  # and dies
    monkeypatch.setenv("THREADMILL_TPU_ZONES", "us-central1-a")
    get_settings.cache_clear()
    cloud.run()

    assert [entry.zone for entry in cloud.tpu.ledger.entries] == ["us-west4-a"]


def test_nothing_is_started_where_that_is_forbidden_and_what_was_is_gone_on_with(cloud: Cloud) -> None:
    def refuse() -> None:
        raise BudgetError("the budget is used up")

    spent = replace(SITE, before_start=refuse)
    with pytest.raises(BudgetError):
        cloud.run(site=spent)
    assert cloud.tpu.ledger.entries == []
    next(stage_steps(Work(), OUTPUT, site=SITE))
    assert cloud.run(site=spent).jobs[0]["state"] == "finished"


@pytest.mark.slow
def test_run_is_given_a_bounded_number_of_tpus(cloud: Cloud) -> None:
    cloud.tpu.faults.add(CREATE, "preempt", times=99, seconds=0)
    cloud.says = dict.fromkeys(range(9), "beats")
    with pytest.raises(ConfigError, match=r"4 accelerators were given to this run .* raise THREADMILL_TPU_ATTEMPTS"):
        cloud.run()

    assert len(cloud.tpu.ledger.entries) == 4


@pytest.mark.parametrize("kind", [ConfigError, InputError, DivergenceError])
def test_error_that_a_retry_cannot_mend_is_the_hosts_own(cloud: Cloud, kind: type[Exception]) -> None:
    cloud.says[1] = HostStatus(2, 1, "set less", kind.__name__)
    with pytest.raises(kind, match=r"^set less \(attempt 1 in us-west4-a\)$"):
        cloud.run()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "told"),
    [
        (HostStatus(2, 1, "a full bucket", "CheckpointError"), "failed: a full bucket; run it again"),
        (HostStatus(137, 1, tail=("Killed", "")), r"exit code 137 \(Killed\)"),
        (HostStatus(124, 1, "the time of 72 hours is over; raise THREADMILL_TPU_MAX_HOURS"), "72 hours"),
    ],
)
def test_error_that_passes_is_met_by_another_attempt(cloud: Cloud, status: HostStatus, told: str) -> None:
    cloud.says[1] = status
    with pytest.raises(RemoteWorkError, match=told):
        cloud.run()
    manifest = cloud.run()

    assert cloud.attempts == [1, 2]
    assert [job["state"] for job in manifest.jobs] == ["failed", "finished"]  # what failed cost money, too


def test_host_that_was_asked_to_leave_is_followed_by_another(cloud: Cloud) -> None:
    cloud.says[1] = HostStatus(75, 1, "left after step 2", "PreemptedError")
    cloud.run()

    assert cloud.attempts == [1, 2]


def test_host_that_ends_well_without_a_result_is_not_believed(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.training.remote.cloud.write_receipt", lambda *_: None)
    with pytest.raises(RemoteWorkError, match="ended well, but left no receipt"):
        cloud.run()


def test_launcher_that_was_killed_finds_its_tpu_again(cloud: Cloud) -> None:
    next(stage_steps(Work(), OUTPUT, site=SITE))  # and dies
    cloud.run()

    assert len(cloud.tpu.ledger.entries) == 1
    assert len(cloud.looked_at) == 1


def test_attempt_that_did_all_while_its_launcher_was_dead_is_looked_after_to_its_end(cloud: Cloud) -> None:
    waiting = next(stage_steps(Work(), OUTPUT, site=SITE))  # and dies
    for _ in range(4):
        service("tpu").look(waiting.handle)
    cloud.be_host(waiting)
    cloud.be_host(waiting)
    assert cloud.tpu.ledger.existing  # the host has not deleted it
    manifest = cloud.run()

    wait_until_gone(cloud)
    assert cloud.tpu.ledger.existing == []
    assert [job["kind"] for job in manifest.jobs] == ["tpu"]
    assert len(cloud.tpu.ledger.entries) == 1
    assert not [uri for uri in cloud.storage.objects(OUTPUT) if "/.remote/" in uri]


def test_task_that_is_ended_deletes_its_tpu_and_a_later_try_takes_another(cloud: Cloud) -> None:
    waiting = next(stage_steps(Work(), OUTPUT, site=SITE))
    while not AttemptFolder(waiting.handle["folder"]).active_since:
        service("tpu").look(waiting.handle)
    service("tpu").cancel(waiting.handle)
    service("tpu").cancel(waiting.handle)
    wait_until_gone(cloud)
    manifest = cloud.run()

    assert cloud.attempts == [2]
    assert [job["state"] for job in manifest.jobs] == ["cancelled", "finished"], "what it used is not forgotten"


def test_tpu_that_somebody_else_deleted_is_not_started_again(cloud: Cloud) -> None:
    waiting = next(stage_steps(Work(), OUTPUT, site=SITE))
    service("tpu").look(waiting.handle)
    cloud.tpu._delete(type("Request", (), {"name": waiting.handle["name"], "force": True}), None)
    with pytest.raises(RemoteCancelledError, match="attempt 1 in us-west4-a: the TPU was deleted or stopped by somebody else"):
        cloud.wait(waiting)


def test_host_that_ended_and_deleted_itself_is_believed(cloud: Cloud) -> None:
    waiting = next(stage_steps(Work(), OUTPUT, site=SITE))
    cloud.be_host(waiting)
    cloud.be_host(waiting)
    cloud.tpu._delete(type("Request", (), {"name": waiting.handle["name"], "force": True}), None)
    cloud.wait(waiting)
    cloud.run()

    assert cloud.attempts == [1]


def test_attempt_that_failed_while_its_launcher_was_dead_is_given_no_second_tpu(cloud: Cloud) -> None:
    cloud.says[1] = HostStatus(1, 1, "the disk is full", "OSError")
    waiting = next(stage_steps(Work(), OUTPUT, site=SITE))  # and dies
    cloud.be_host(waiting)
    cloud.be_host(waiting)
    cloud.tpu._delete(type("Request", (), {"name": waiting.handle["name"], "force": True}), None)
    wait_until_gone(cloud)
    cloud.tpu._requests.clear()  # Google Cloud knows the id of a request again for an hour
    with pytest.raises(RemoteWorkError, match="attempt 1 in us-west4-a failed: the disk is full"):
        cloud.run()

    assert len(cloud.tpu.ledger.entries) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["503", "429", "500", "lost_response", "timeout"])
@pytest.mark.parametrize("step", ["CreateQueuedResource", "GetQueuedResource", "GetNode", "DeleteQueuedResource"])
def test_fault_of_the_service_passes(cloud: Cloud, kind: str, step: str) -> None:
    cloud.tpu.faults.add(f"tpu.{step}", kind, times=2, seconds=0.05)
    cloud.run()

    assert cloud.tpu.faults.met[f"tpu.{step}", kind] == 2
    assert len(cloud.tpu.ledger.entries) == 1


def test_service_that_is_down_is_one_line_and_nothing_is_lost(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("threadmill.training.remote.tpu_client._RETRY_SECONDS", 0.2)
    cloud.tpu.faults.add(CREATE, "503", times=99)
    with pytest.raises(RemoteWorkError, match=r"Cloud TPU does not answer \(injected fault 503\); run it again"):
        cloud.run()
    cloud.tpu.faults.clear()
    cloud.run()

    assert len(cloud.tpu.ledger.entries) == 1


def test_permission_that_is_missing_is_told_with_its_remedy(cloud: Cloud) -> None:
    cloud.tpu.faults.add(CREATE, "403")
    with pytest.raises(ConfigError, match=r"grant roles/tpu\.admin"):
        cloud.run()


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("THREADMILL_TPU_ZONES", "", "set THREADMILL_TPU_ZONES"),
        ("THREADMILL_TPU_TYPE", "v5litepod-16", r"on several hosts.*such as v5litepod-8"),
        ("THREADMILL_TPU_TYPE", "fast", "no type of TPU"),
        ("THREADMILL_TPU_TYPE", "v6e-4", 'Accelerator type "v6e-4" is not available in zone us-west4-a'),
        ("THREADMILL_TPU_RUNTIME", "tpu-vm-tf-1", 'Runtime version "tpu-vm-tf-1" is not found'),
        ("THREADMILL_LABELS", "team", "write KEY=VALUE"),
    ],
)
def test_setting_of_no_use_is_told(cloud: Cloud, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str) -> None:
    monkeypatch.setenv(variable, value)
    get_settings.cache_clear()
    with pytest.raises(ConfigError, match=told):
        cloud.run()


def test_tensorflow_is_refused_on_a_tpu(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Work, "backend", "tensorflow")
    with pytest.raises(ConfigError, match="only jax computes on the TPU"):
        cloud.run()


def test_output_on_this_machine_is_refused(cloud: Cloud, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"is on this machine, where a host of tpu cannot reach it"):
        cloud.run(output=str(tmp_path / "model"))


def test_another_run_has_tpus_of_other_names(cloud: Cloud) -> None:
    cloud.run()
    other: Any = Site(SITE.identity.__class__("refresh", "manual__2", "train"), trainer="tpu")
    cloud.run(site=other, output="gs://bucket/other")

    assert len({entry.id for entry in cloud.tpu.ledger.entries}) == 2


@pytest.mark.slow
def test_faults_at_every_step_leak_nothing(cloud: Cloud, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    for step in ("CreateQueuedResource", "GetQueuedResource", "GetNode", "DeleteQueuedResource"):
        for kind in ("503", "lost_response"):
            cloud.tpu.faults.add(f"tpu.{step}", kind, skip=1)
    cloud.tpu.faults.add(CREATE, "no_capacity")
    cloud.says[2] = HostStatus(75, 2, "left", "PreemptedError")
    cloud.run()

    assert len(cloud.tpu.ledger.entries) == 3


def wait_until_gone(cloud: Cloud) -> None:
    deadline = time.monotonic() + 5
    while cloud.tpu.ledger.existing and time.monotonic() < deadline:
        time.sleep(0.02)
