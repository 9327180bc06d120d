"""The doctor of a deployment on Google Cloud, over a fake of its APIs: all is well, then one thing after the other is not."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials

from tests.fakes.cloud_apis import BUCKET, PROJECT, REGION, ZONE, FakeCloudApis
from threadmill.cloud.credentials import Access, use_access
from threadmill.cloud.package import wheel_bytes
from threadmill.doctor import examination
from threadmill.doctor.checkup import FAIL, PASS, SKIP, Finding, Patient
from threadmill.doctor.examination import check_deployment, has_failed
from threadmill.doctor.worker_package import check_package
from threadmill.settings import Settings, get_settings


@pytest.fixture
def apis(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloudApis]:
    """All in order. Left out is what is not on this server, or takes its time: tests/doctor/test_here.py and below have it."""
    without = {"Airflow's database", "root", "packages", "worker package"}
    for name in ("_HERE", "_CLOUD"):
        monkeypatch.setattr(examination, name, tuple(pair for pair in getattr(examination, name) if pair[0] not in without))
    with FakeCloudApis() as fake:
        for name, value in fake.variables().items():
            monkeypatch.setenv(name, value)
        yield fake


def deployed(**changes: Any) -> Settings:
    usual: dict[str, Any] = {
        "platform": "gcp",
        "root": f"gs://{BUCKET}/root",
        "project": PROJECT,
        "region": REGION,
        "tpu_zones": ZONE,
        "dataflow_service_account": "workers@p1.iam.gserviceaccount.com",
        "tpu_service_account": "hosts@p1.iam.gserviceaccount.com",
    }
    return Settings(**{**usual, **changes})


def findings_of(project: str = PROJECT, **changes: Any) -> list[Finding]:
    with use_access(Access(AnonymousCredentials(), project)):
        return check_deployment(deployed(**changes), pause=0.01, seconds=30)


def test_a_deployment_in_order_passes_every_check(apis: FakeCloudApis) -> None:
    findings = findings_of()
    assert {finding.status for finding in findings} == {PASS}, [str(finding) for finding in findings if finding.status != PASS]
    seen = {finding.what for finding in findings}
    assert {"credentials", "project", "APIs", "bucket's location", f"TPU type in {ZONE}"} <= seen
    assert {f"quota {metric} in {REGION}" for metric in ("N2_CPUS", "DISKS_TOTAL_GB", "IN_USE_ADDRESSES")} <= seen


FAULTS: dict[str, tuple[Callable[[FakeCloudApis], Any], dict[str, Any], str, str, str]] = {
    # what is done to the APIs, other settings, the check that fails, what it says, the command
    "project deleted": (
        lambda apis: setattr(apis, "project_state", "DELETE_REQUESTED"), {},
        "project", "is DELETE_REQUESTED", f"gcloud projects undelete {PROJECT}",
    ),
    "API off": (
        lambda apis: apis.enabled.remove("dataflow.googleapis.com"), {},
        "APIs", "not enabled: dataflow.googleapis.com", "gcloud services enable dataflow.googleapis.com --project p1",
    ),
    "no permission on the project": (
        lambda apis: apis.held.remove("dataflow.jobs.create"), {},
        "permissions on the project", "dataflow.jobs.create missing", "--role roles/dataflow.developer",
    ),
    "no permission on the bucket": (
        lambda apis: apis.held.remove("storage.objects.delete"), {},
        "permissions on the bucket", "storage.objects.delete missing", "--role roles/storage.objectUser",
    ),
    "no permission on the table": (
        lambda apis: apis.held.remove("bigquery.tables.updateData"), {},
        "permissions on the dataset", "bigquery.tables.updateData missing", "roles/bigquery.dataEditor",
    ),
    "no bucket": (
        lambda apis: apis.buckets.clear(), {},
        "bucket", "does not exist", f"buckets create gs://{BUCKET} --project {PROJECT} --location {REGION}",
    ),
    "bucket elsewhere": (
        lambda apis: apis.buckets[BUCKET].update(location="EUROPE-WEST4"), {},
        "bucket's location", f"lies in EUROPE-WEST4, but {REGION} is set", "make a bucket there",
    ),
    "dataset elsewhere": (
        lambda apis: apis.datasets["threadmill"].update(location="EU"), {},
        "BigQuery dataset's location", f"lies in EU, but {REGION} is set", "THREADMILL_BIGQUERY_LOCATION",
    ),
    "BigQuery far from the bucket": (
        lambda apis: apis.datasets.clear(), {"bigquery_location": "EU"},
        "BigQuery beside the bucket", "EU cannot load from", "export THREADMILL_BIGQUERY_LOCATION=us-central1",
    ),
    "few vCPUs": (
        lambda apis: apis.quotas.update(N2_CPUS=(48, 8)), {},
        f"quota N2_CPUS in {REGION}", "40 free, but 32 workers take 128", "export THREADMILL_DATAFLOW_MAX_WORKERS=10",
    ),
    "few addresses": (
        lambda apis: apis.quotas.update(IN_USE_ADDRESSES=(8, 0)), {},
        f"quota IN_USE_ADDRESSES in {REGION}", "8 free, but 32 workers take 32", "export THREADMILL_DATAFLOW_MAX_WORKERS=8",
    ),
    "no spot TPUs": (
        lambda apis: apis.tpu_quota.update({"tpu.googleapis.com/tpu-v5s-litepod-preemptible": {"": 0}}), {},
        f"quota of TPU v5e spot in {ZONE}", "0, but 8 are asked for", "set THREADMILL_TPU_TYPE to a smaller one",
    ),
    "few TPUs on demand": (
        lambda apis: None, {"tpu_spot": False, "tpu_type": "v5litepod-32"},
        f"quota of TPU v5e in {ZONE}", "16, but 32 are asked for", "?service=tpu.googleapis.com",
    ),
    "no network": (
        lambda apis: apis.networks.clear(), {},
        "network of dataflow", "the network default does not exist", "gcloud compute networks create default",
    ),
    "no subnetwork": (
        lambda apis: apis.subnetworks.clear(), {"dataflow_subnetwork": f"regions/{REGION}/subnetworks/workers"},
        "network of dataflow", f"the subnetwork workers is not in {REGION}", "gcloud compute networks subnets list",
    ),
    "no Private Google Access": (
        lambda apis: apis.subnetworks[REGION, "workers"].update(privateIpGoogleAccess=False),
        {"dataflow_subnetwork": f"regions/{REGION}/subnetworks/workers", "dataflow_private_ips": True},
        "network of dataflow", "no Private Google Access", "--enable-private-ip-google-access",
    ),
    "no service account": (
        lambda apis: apis.service_accounts.pop("workers@p1.iam.gserviceaccount.com"), {},
        "service account of Dataflow's workers", "does not exist", "gcloud iam service-accounts create workers",
    ),
    "service account off": (
        lambda apis: apis.service_accounts["hosts@p1.iam.gserviceaccount.com"].update(disabled=True), {},
        "service account of the hosts of a Cloud TPU", "is disabled", "gcloud iam service-accounts enable hosts@",
    ),
    "may not act as the worker": (
        lambda apis: apis.held.remove("iam.serviceAccounts.actAs"), {},
        "service account of Dataflow's workers", "iam.serviceAccounts.actAs missing", "--role roles/iam.serviceAccountUser",
    ),
    "no such TPU type": (
        lambda apis: apis.tpu_types.update({ZONE: ["v2-8"]}), {},
        f"TPU type in {ZONE}", "v5litepod-8 is not among its 1", f"accelerator-types list --zone {ZONE}",
    ),
    "no such runtime": (
        lambda apis: apis.tpu_runtimes.update({ZONE: []}), {},
        f"TPU runtime in {ZONE}", "v2-alpha-tpuv5-lite is not among its 0", "versions list",
    ),
    "a zone without TPUs": (
        lambda apis: None, {"tpu_zones": f"{ZONE},mars-north1-a"},
        "TPU type in mars-north1-a", "has no Cloud TPU", "gcloud compute tpus locations list",
    ),
    "no region": (lambda apis: None, {"region": ""}, "settings", "THREADMILL_REGION is not set", "export THREADMILL_REGION"),
    "no zones": (lambda apis: None, {"tpu_zones": ""}, "settings", "THREADMILL_TPU_ZONES is not set", "export"),
    "root is a folder": (lambda apis: None, {"root": "/data"}, "settings", "remote workers cannot see", "gs://BUCKET/FOLDER"),
    "odd machine type": (
        lambda apis: None, {"dataflow_machine_type": "big-one"},
        "settings", "the machine type big-one does not tell its vCPUs", "n2-standard-4",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_out_of_order_fails_its_check_with_the_command_that_mends_it(apis: FakeCloudApis, fault: str) -> None:
    disturb, changes, what, detail, command = FAULTS[fault]
    disturb(apis)
    failed = [finding for finding in findings_of(**changes) if finding.status == FAIL]
    (finding,) = [finding for finding in failed if finding.what == what][:1]
    assert detail in finding.detail
    assert command in finding.command


def test_bad_credentials_fail_once_and_the_rest_is_skipped(apis: FakeCloudApis) -> None:
    apis.faults.add("projects.get", "401", times=9)
    findings = findings_of()
    assert [finding.what for finding in findings if finding.status == FAIL] == ["credentials"]
    assert {finding.what for finding in findings if finding.status == SKIP} == {name for name, _ in examination._CLOUD}


def test_a_project_that_is_not_ours_is_named(apis: FakeCloudApis) -> None:
    (failed,) = [finding for finding in findings_of(project="other") if finding.status == FAIL]
    assert (failed.what, failed.detail) == ("project", "other is not there, or not to be seen")


def test_faults_of_a_moment_are_tried_again(apis: FakeCloudApis) -> None:
    for call, kind in (("regions.get", "503"), ("buckets.get", "429"), ("services.batchGet", "500")):
        apis.faults.add(call, kind, times=2)
    assert not has_failed(findings_of())


def test_a_service_that_stays_down_fails_only_its_own_check(apis: FakeCloudApis) -> None:
    apis.faults.add("regions.get", "503", times=99)
    (failed,) = [finding for finding in findings_of() if finding.status == FAIL]
    assert failed.what == "quotas of Dataflow's workers"
    assert failed.detail == "compute answered 503: regions.get is out of order"
    assert apis.faults.calls["regions.get"] == 3


def test_a_dataset_that_is_not_there_yet_is_no_fault(apis: FakeCloudApis) -> None:
    apis.datasets.clear()
    findings = {finding.what: finding for finding in findings_of()}
    assert findings["BigQuery dataset"].status == PASS
    assert "the first run makes it" in findings["BigQuery dataset"].detail


def test_only_what_is_used_is_examined(apis: FakeCloudApis) -> None:
    apis.enabled -= {"tpu.googleapis.com", "dataflow.googleapis.com"}
    apis.held -= {permission for permission in apis.held if permission.startswith(("tpu.", "dataflow.", "aiplatform."))}
    findings = findings_of(platform="local", warehouse="bigquery")
    assert not has_failed(findings), [str(finding) for finding in findings if finding.status == FAIL]
    skipped = {finding.what for finding in findings if finding.status == SKIP}
    assert skipped >= {"TPU types", "quota of TPUs", "quotas of Dataflow's workers"}


def test_the_workers_package_is_made_and_its_locked_set_counted() -> None:
    (finding,) = check_package(Patient(deployed()))
    assert finding.status == PASS
    assert re.match(r"threadmill-.*-py3-none-any\.whl, [0-9,]+ bytes, build [0-9a-f]{16}, \d+ locked packages", finding.detail)


def test_a_package_that_is_no_wheel_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("THREADMILL_PACKAGE", str(tmp_path / "none.whl"))
    get_settings.cache_clear()
    wheel_bytes.cache_clear()
    (finding,) = check_package(Patient(deployed()))
    get_settings.cache_clear()
    assert finding.status == FAIL
    assert "none.whl is no wheel" in finding.detail
