"""Checks of who calls: credentials, project, APIs, permissions, and the service accounts that others run as."""

from collections.abc import Iterator

from threadmill.doctor.api import ApiError
from threadmill.doctor.checkup import FAIL, PASS, SKIP, Finding, Patient
from threadmill.doctor.permissions import IDENTITIES, PROJECT, Grant, apis_of, grants_of, permissions_of

_ENABLED = "ENABLED"
_AT_ONCE = 20  # services:batchGet, 100 permissions of testIamPermissions: https://cloud.google.com/service-usage/docs/reference


def check_project(patient: Patient) -> Iterator[Finding]:
    """The credentials are good, and the project is there and active."""
    try:
        found = patient.api.get("cloudresourcemanager", f"/v3/projects/{patient.project}")
    except ApiError as error:
        if error.status == 401:
            yield Finding(FAIL, "credentials", str(error), "gcloud auth application-default login")
        elif error.status in (403, 404):
            yield Finding(
                FAIL,
                "project",
                f"{patient.project} is not there, or not to be seen",
                f"gcloud projects describe {patient.project}",
            )
        else:
            raise
        return
    yield Finding(PASS, "credentials", f"of {_who(patient)}")
    state = found.get("state", "")
    if state == "ACTIVE":
        yield Finding(PASS, "project", f"{patient.project} is active")
    else:
        yield Finding(
            FAIL, "project", f"{patient.project} is {state}", f"gcloud projects undelete {patient.project}, or set another"
        )


def _who(patient: Patient) -> str:
    credentials = patient.access.credentials if patient.access else None
    return str(getattr(credentials, "service_account_email", "") or type(credentials).__name__)


def check_apis(patient: Patient) -> Iterator[Finding]:
    """Each API that the deployment calls is enabled."""
    wanted = apis_of(patient.parts)
    parent = f"projects/{patient.project}"
    off: list[str] = []
    for begin in range(0, len(wanted), _AT_ONCE):
        names = [f"{parent}/services/{api}" for api in wanted[begin : begin + _AT_ONCE]]
        answer = patient.api.get("serviceusage", f"/v1/{parent}/services:batchGet", {"names": names})
        states = {service["name"].rpartition("/")[2]: service["state"] for service in answer.get("services", ())}
        off += [api for name in names if states.get(api := name.rpartition("/")[2]) != _ENABLED]
    if off:
        yield Finding(
            FAIL, "APIs", f"not enabled: {', '.join(off)}", f"gcloud services enable {' '.join(off)} --project {patient.project}"
        )
    else:
        yield Finding(PASS, "APIs", f"all {len(wanted)} are enabled")


def check_permissions(patient: Patient) -> Iterator[Finding]:
    """The caller holds what it needs on the project, part by part."""
    grants = grants_of(patient.parts, identity="orchestrator", where=PROJECT)
    wanted = permissions_of(grants)
    answer = patient.api.post(
        "cloudresourcemanager", f"/v3/projects/{patient.project}:testIamPermissions", {"permissions": list(wanted)}
    )
    held = set(answer.get("permissions", ()))
    for grant in grants:
        yield judge_grant(
            grant, held, f"gcloud projects add-iam-policy-binding {patient.project} --member MEMBER --role {{role}}"
        )


def judge_grant(grant: Grant, held: set[str], command: str) -> Finding:
    """The finding of one grant. ``command`` grants a {role}."""
    missing = [permission for permission in grant.permissions if permission not in held]
    what = f"permissions on the {grant.where}"
    if not missing:
        return Finding(PASS, what, f"to {grant.purpose}")
    commands = " && ".join(command.format(role=role) for role in grant.roles)
    return Finding(FAIL, what, f"to {grant.purpose}: {', '.join(missing)} missing", commands)


def check_service_accounts(patient: Patient) -> Iterator[Finding]:
    """Each service account that workers run as is there, enabled, and may be used by the caller."""
    for grant in grants_of(patient.parts, where="service account"):
        people, setting = IDENTITIES[grant.on]
        account = getattr(patient.settings, setting)
        what = f"service account of {people}"
        if not account:
            yield Finding(SKIP, what, f"THREADMILL_{setting.upper()} is not set: it is Compute Engine's default one")
        else:
            yield _account(patient, grant, account, what)


def _account(patient: Patient, grant: Grant, account: str, what: str) -> Finding:
    path = f"/v1/projects/-/serviceAccounts/{account}"
    try:
        found = patient.api.get("iam", path)
    except ApiError as error:
        if error.status == 404:
            name = account.partition("@")[0]
            return Finding(
                FAIL, what, f"{account} does not exist", f"gcloud iam service-accounts create {name} --project {patient.project}"
            )
        raise
    if found.get("disabled"):
        return Finding(FAIL, what, f"{account} is disabled", f"gcloud iam service-accounts enable {account}")
    answer = patient.api.post("iam", f"{path}:testIamPermissions", {"permissions": list(grant.permissions)})
    command = f"gcloud iam service-accounts add-iam-policy-binding {account} --member MEMBER --role {{role}}"
    judged = judge_grant(grant, set(answer.get("permissions", ())), command)
    return Finding(judged.status, what, f"{account}: {judged.detail}", judged.command)
