"""Checks of where data lies: the bucket and the BigQuery dataset, what may be done with them, and that they lie together."""

from collections.abc import Iterator
from typing import Any

from threadmill.doctor.access import judge_grant
from threadmill.doctor.api import ApiError
from threadmill.doctor.checkup import FAIL, PASS, SKIP, Finding, Patient
from threadmill.doctor.permissions import BUCKET, DATASET, grants_of, permissions_of

# Regions in multi-regions: https://cloud.google.com/storage/docs/locations, https://cloud.google.com/bigquery/docs/locations
_MULTI_REGIONS = {"US": ("us-", "northamerica-"), "EU": ("europe-",), "ASIA": ("asia-",)}

_GRANT = "gcloud storage buckets add-iam-policy-binding gs://{name} --member MEMBER --role {role}"


def check_bucket(patient: Patient) -> Iterator[Finding]:
    """It is there, lies in the region, and may be read and written."""
    name = bucket_of(patient)
    if not name:
        yield Finding(SKIP, "bucket", "THREADMILL_ROOT is no bucket")
        return
    region = patient.settings.region
    try:
        bucket = patient.api.get("storage", f"/storage/v1/b/{name}")
    except ApiError as error:
        if error.status == 404:
            where = region or "REGION"
            command = f"gcloud storage buckets create gs://{name} --project {patient.project} --location {where}"
            yield Finding(FAIL, "bucket", f"gs://{name} does not exist", f"{command} --uniform-bucket-level-access")
            return
        if error.status == 403:
            grant = _GRANT.format(name=name, role="roles/storage.legacyBucketReader")
            yield Finding(FAIL, "bucket", f"gs://{name} may not be seen", grant)
            return
        raise
    yield _location(
        "bucket's location", f"gs://{name}", bucket["location"], region, "make a bucket there, and set THREADMILL_ROOT to it"
    )
    yield from _bucket_permissions(patient, name)


def _bucket_permissions(patient: Patient, name: str) -> Iterator[Finding]:
    grants = grants_of(patient.parts, identity="orchestrator", where=BUCKET)
    wanted = list(permissions_of(grants))
    answer = patient.api.get("storage", f"/storage/v1/b/{name}/iam/testPermissions", {"permissions": wanted})
    held = set(answer.get("permissions", ()))
    for grant in grants:
        yield judge_grant(grant, held, _GRANT.format(name=name, role="{role}"))


def check_dataset(patient: Patient) -> Iterator[Finding]:
    """The BigQuery dataset lies where jobs run and the bucket can be loaded from, or can be made there."""
    settings = patient.settings
    if "bigquery" not in patient.parts:
        yield Finding(SKIP, "BigQuery dataset", "the warehouse is not BigQuery")
        return
    path = f"/bigquery/v2/projects/{patient.project}/datasets/{settings.bigquery_dataset}"
    name = f"{patient.project}.{settings.bigquery_dataset}"
    try:
        dataset = patient.api.get("bigquery", path)
    except ApiError as error:
        if error.status != 404:
            raise
        yield Finding(PASS, "BigQuery dataset", f"{name} is not there yet; the first run makes it in {settings.location}")
        return
    command = "set THREADMILL_BIGQUERY_LOCATION to it, or THREADMILL_BIGQUERY_DATASET to another name"
    yield _location("BigQuery dataset's location", name, dataset["location"], settings.location, command)
    yield from _dataset_permissions(patient, dataset)


def _dataset_permissions(patient: Patient, dataset: dict[str, Any]) -> Iterator[Finding]:
    """What the dataset's table of comments allows, where there is one: BigQuery tests tables, not datasets."""
    settings = patient.settings
    (grant,) = grants_of(("bigquery",), identity="orchestrator", where=DATASET)
    table = f"projects/{patient.project}/datasets/{settings.bigquery_dataset}/tables/comments"
    wanted = [
        permission for permission in grant.permissions if permission.startswith("bigquery.tables.") and "create" not in permission
    ]
    wanted = [permission for permission in wanted if permission != "bigquery.tables.list"]
    try:
        answer = patient.api.post("bigquery", f"/bigquery/v2/{table}:testIamPermissions", {"permissions": wanted})
    except ApiError as error:
        if error.status != 404:
            raise
        yield Finding(SKIP, "permissions on the dataset", "its table comments is not there yet")
        return
    missing = sorted(set(wanted) - set(answer.get("permissions", ())))
    what = "permissions on the dataset"
    if missing:
        command = f"grant roles/bigquery.dataEditor on {dataset.get('id', settings.bigquery_dataset)} to the caller"
        yield Finding(FAIL, what, f"to {grant.purpose}: {', '.join(missing)} missing", command)
    else:
        yield Finding(PASS, what, f"to {grant.purpose}")


def check_neighbours(patient: Patient) -> Iterator[Finding]:
    """BigQuery loads from the bucket, so both must lie together."""
    name = bucket_of(patient)
    if not name or "bigquery" not in patient.parts:
        yield Finding(SKIP, "BigQuery beside the bucket", "not both are used")
        return
    bucket = str(patient.api.get("storage", f"/storage/v1/b/{name}")["location"])
    location = patient.settings.location
    if location.upper() == "US" or _lies_in(bucket, location) or _lies_in(location, bucket):  # US loads from anywhere
        yield Finding(PASS, "BigQuery beside the bucket", f"{location} loads from {bucket}")
    else:
        command = f"export THREADMILL_BIGQUERY_LOCATION={bucket.lower()}"
        yield Finding(FAIL, "BigQuery beside the bucket", f"{location} cannot load from gs://{name} in {bucket}", command)


def bucket_of(patient: Patient) -> str:
    """The root's bucket, "" where the root is no bucket."""
    root = patient.settings.root
    return root.removeprefix("gs://").split("/")[0] if root.startswith("gs://") else ""


def _location(what: str, name: str, found: str, wanted: str, command: str) -> Finding:
    if not wanted or _lies_in(wanted, found) or _lies_in(found, wanted):
        return Finding(PASS, what, f"{name} lies in {found}")
    return Finding(FAIL, what, f"{name} lies in {found}, but {wanted} is set", command)


def _lies_in(region: str, place: str) -> bool:
    """Whether ``region`` is ``place`` or a part of it."""
    if region.lower() == place.lower():
        return True
    return region.lower().startswith(_MULTI_REGIONS.get(place.upper(), ("\0",)))
