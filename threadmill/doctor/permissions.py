"""The one table of who needs which permission in Google Cloud: the doctor asks for these, the IAM guide is written from these.

The roles hold the permissions that they are named for as of 2026-08 (the roles' own lists, as `gcloud iam roles describe ROLE`
prints them).
"""

from dataclasses import dataclass

from threadmill.settings import Settings

# Where a grant is made: the narrowest place that does.
PROJECT, BUCKET, DATASET, SERVICE_ACCOUNT = "project", "bucket", "dataset", "service account"


@dataclass(frozen=True)
class Grant:
    """Permissions that one identity needs for one purpose, and the predefined roles that hold them.

    Attributes:
        identity: of `IDENTITIES`.
        purpose: what for, for people.
        where: what the roles are granted on: PROJECT, BUCKET, DATASET, SERVICE_ACCOUNT.
        permissions: the least ones.
        roles: predefined roles that hold them together, the narrowest that there are.
        needed_with: the parts of a deployment that need it: dataflow, bigquery, tpu, vertex, storage, doctor.
        on: whose service account, where ``where`` is SERVICE_ACCOUNT: an identity.
    """

    identity: str
    purpose: str
    where: str
    permissions: tuple[str, ...]
    roles: tuple[str, ...]
    needed_with: str
    on: str = ""


# Who calls Google Cloud, and the setting that names its service account ("" for the connection's credentials).
IDENTITIES = {
    "orchestrator": ("Airflow's workers and triggerer, and the shell", ""),
    "dataflow worker": ("Dataflow's workers", "dataflow_service_account"),
    "tpu host": ("the hosts of a Cloud TPU", "tpu_service_account"),
    "vertex worker": ("Vertex AI's custom jobs", "vertex_service_account"),
}

_OBJECTS = ("storage.objects.create", "storage.objects.get", "storage.objects.list", "storage.objects.delete")
_READ_SESSIONS = ("bigquery.readsessions.create", "bigquery.readsessions.getData", "bigquery.readsessions.update")
_LOGS = ("logging.logEntries.create",)
_ACT_AS = ("iam.serviceAccounts.actAs", "iam.serviceAccounts.get")

GRANTS: tuple[Grant, ...] = (
    Grant(
        "orchestrator", "read and write datasets, and see where the bucket is", BUCKET,
        ("storage.buckets.get", *_OBJECTS, "storage.objects.update"),
        ("roles/storage.objectUser", "roles/storage.legacyBucketReader"), "storage",
    ),
    Grant(
        "orchestrator", "run queries and loads, make the datasets of a run and delete them", PROJECT,
        ("bigquery.jobs.create", "bigquery.datasets.create", "bigquery.datasets.get", "bigquery.tables.list", *_READ_SESSIONS),
        ("roles/bigquery.user",), "bigquery",
    ),
    Grant(
        "orchestrator", "fill the table of comments (who makes the dataset has this already)", DATASET,
        (
            "bigquery.datasets.get", "bigquery.tables.create", "bigquery.tables.delete", "bigquery.tables.get",
            "bigquery.tables.getData", "bigquery.tables.list", "bigquery.tables.update", "bigquery.tables.updateData",
        ),
        ("roles/bigquery.dataEditor",), "bigquery",
    ),
    Grant(
        "orchestrator", "submit, watch and cancel Dataflow jobs", PROJECT,
        (
            "dataflow.jobs.create", "dataflow.jobs.get", "dataflow.jobs.list", "dataflow.jobs.cancel",
            "dataflow.messages.list", "dataflow.metrics.get",
        ),
        ("roles/dataflow.developer",), "dataflow",
    ),
    Grant(
        "orchestrator", "let Dataflow's workers run as their service account", SERVICE_ACCOUNT, _ACT_AS,
        ("roles/iam.serviceAccountUser",), "dataflow", on="dataflow worker",
    ),
    Grant(
        "orchestrator", "request, watch and delete Cloud TPUs", PROJECT,
        (
            "tpu.nodes.create", "tpu.nodes.get", "tpu.nodes.list", "tpu.nodes.delete", "tpu.operations.get",
            "tpu.acceleratortypes.list", "tpu.runtimeversions.list", "tpu.locations.list",
        ),
        ("roles/tpu.admin",), "tpu",
    ),
    Grant(
        "orchestrator", "let a TPU's hosts run as their service account", SERVICE_ACCOUNT, _ACT_AS,
        ("roles/iam.serviceAccountUser",), "tpu", on="tpu host",
    ),
    Grant(
        "orchestrator", "submit, watch and cancel Vertex AI custom jobs", PROJECT,
        (
            "aiplatform.customJobs.create", "aiplatform.customJobs.get", "aiplatform.customJobs.list",
            "aiplatform.customJobs.cancel", "aiplatform.customJobs.delete",
        ),
        ("roles/aiplatform.user",), "vertex",
    ),
    Grant(
        "orchestrator", "let Vertex AI's jobs run as their service account", SERVICE_ACCOUNT, _ACT_AS,
        ("roles/iam.serviceAccountUser",), "vertex", on="vertex worker",
    ),
    Grant(
        "orchestrator", "look at the project, its APIs, quotas and networks (the doctor)", PROJECT,
        (
            "resourcemanager.projects.get", "serviceusage.services.get", "serviceusage.services.list", "serviceusage.quotas.get",
            "compute.regions.get", "compute.networks.get", "compute.subnetworks.get",
        ),
        ("roles/serviceusage.serviceUsageConsumer", "roles/compute.networkViewer"), "doctor",
    ),
    Grant(
        "dataflow worker", "take work from Dataflow, and write logs", PROJECT,
        (
            "dataflow.jobs.get", "dataflow.workItems.lease", "dataflow.workItems.sendMessage", "dataflow.workItems.update",
            "dataflow.shuffle.read", "dataflow.shuffle.write", *_LOGS,
        ),
        ("roles/dataflow.worker",), "dataflow",
    ),
    Grant(
        "dataflow worker", "read and write datasets", BUCKET, ("storage.buckets.get", *_OBJECTS),
        ("roles/storage.objectUser", "roles/storage.legacyBucketReader"), "dataflow",
    ),
    Grant(
        "dataflow worker", "read the tables of a run through the Storage Read API", PROJECT,
        (*_READ_SESSIONS, "bigquery.tables.get", "bigquery.tables.getData"),
        ("roles/bigquery.readSessionUser", "roles/bigquery.dataViewer"), "bigquery",
    ),
    Grant(
        "tpu host", "read records, write checkpoints, its status and the model", BUCKET, ("storage.buckets.get", *_OBJECTS),
        ("roles/storage.objectUser", "roles/storage.legacyBucketReader"), "tpu",
    ),
    Grant(
        "tpu host", "delete itself when it is done", PROJECT, ("tpu.nodes.get", "tpu.nodes.list", "tpu.nodes.delete"),
        ("roles/tpu.admin",), "tpu",
    ),
    Grant("tpu host", "write logs", PROJECT, _LOGS, ("roles/logging.logWriter",), "tpu"),
    Grant(
        "vertex worker", "read records, write checkpoints and the model", BUCKET, ("storage.buckets.get", *_OBJECTS),
        ("roles/storage.objectUser", "roles/storage.legacyBucketReader"), "vertex",
    ),
    Grant("vertex worker", "write logs", PROJECT, _LOGS, ("roles/logging.logWriter",), "vertex"),
)  # fmt: skip

# The APIs of each part of a deployment.
APIS: dict[str, tuple[str, ...]] = {
    "storage": ("storage.googleapis.com",),
    "bigquery": ("bigquery.googleapis.com", "bigquerystorage.googleapis.com"),
    "dataflow": ("dataflow.googleapis.com", "compute.googleapis.com", "logging.googleapis.com"),
    "tpu": ("tpu.googleapis.com", "compute.googleapis.com"),
    "vertex": ("aiplatform.googleapis.com", "compute.googleapis.com"),
    "doctor": ("serviceusage.googleapis.com", "cloudresourcemanager.googleapis.com", "iam.googleapis.com"),
}


def parts_of(settings: Settings) -> tuple[str, ...]:
    """The parts of Google Cloud that a deployment uses, as `Grant.needed_with` and `APIS` name them; empty where none."""
    used = {name for name in settings.runs_on if name in ("dataflow", "bigquery", "tpu", "vertex")}
    if settings.root.startswith("gs://"):
        used.add("storage")
    return tuple(part for part in APIS if part in used or (part == "doctor" and used))


def grants_of(parts: tuple[str, ...], *, identity: str = "", where: str = "") -> tuple[Grant, ...]:
    """The grants that these parts need; of one identity and one place, where they are named."""
    return tuple(
        grant
        for grant in GRANTS
        if grant.needed_with in parts and identity in ("", grant.identity) and where in ("", grant.where)
    )


def permissions_of(grants: tuple[Grant, ...]) -> tuple[str, ...]:
    """Their permissions, each once, in order."""
    return tuple(dict.fromkeys(permission for grant in grants for permission in grant.permissions))


def apis_of(parts: tuple[str, ...]) -> tuple[str, ...]:
    """The APIs that these parts need, each once."""
    return tuple(dict.fromkeys(api for part in parts for api in APIS[part]))
