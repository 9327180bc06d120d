"""The whole examination of a deployment: which checks there are, and in which order."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from threadmill.cloud.credentials import current_access
from threadmill.doctor.access import check_apis, check_permissions, check_project, check_service_accounts
from threadmill.doctor.capacity import check_network, check_quotas, check_tpu_quota
from threadmill.doctor.checkup import FAIL, SKIP, Check, Finding, Patient, examine
from threadmill.doctor.here import check_airflow, check_disk, check_memory, check_packages, check_python, check_root
from threadmill.doctor.places import check_bucket, check_dataset, check_neighbours
from threadmill.doctor.settings_check import check_settings
from threadmill.doctor.tpus import check_tpus
from threadmill.doctor.worker_package import check_package
from threadmill.errors import ConfigError
from threadmill.settings import Settings

_HERE: tuple[tuple[str, Check], ...] = (
    ("Python", check_python),
    ("packages", check_packages),
    ("memory", check_memory),
    ("disk", check_disk),
    ("Airflow's database", check_airflow),
)
_ROOT: tuple[tuple[str, Check], ...] = (("root", check_root),)
_CLOUD: tuple[tuple[str, Check], ...] = (
    ("APIs", check_apis),
    ("permissions on the project", check_permissions),
    ("service accounts", check_service_accounts),
    ("bucket", check_bucket),
    ("BigQuery dataset", check_dataset),
    ("BigQuery beside the bucket", check_neighbours),
    ("quotas of Dataflow's workers", check_quotas),
    ("quota of TPUs", check_tpu_quota),
    ("network", check_network),
    ("TPU types", check_tpus),
    ("worker package", check_package),
    ("root", check_root),
)


def check_deployment(settings: Settings, *, resolve: bool = False, seconds: float = 90, pause: float = 0.5) -> list[Finding]:
    """All findings: of this machine, and where anything is remote of Google Cloud, with the credentials of this context.

    Args:
        resolve: also ask the package index for the workers' packages.
        seconds: that the checks may take.
        pause: seconds before a call to a service is tried again.
    """
    patient = Patient(settings, resolve=resolve, pause=pause)
    if not patient.parts:
        return examine(patient, (*_HERE, *_ROOT), seconds)
    findings = [*examine(patient, (*_HERE, ("settings", check_settings)), seconds)]
    try:
        patient = Patient(settings, current_access(), resolve, pause)
    except ConfigError as error:
        detail, _, command = str(error).partition("; ")
        return [*findings, Finding(FAIL, "credentials", detail, command), *_skipped("there are no credentials")]
    identity = examine(patient, (("credentials", check_project),), seconds)
    findings += identity
    if any(finding.status == FAIL for finding in identity):
        return [*findings, *_skipped("the credentials or the project are not good")]
    return [*findings, *examine(patient, _CLOUD, seconds)]


def has_failed(findings: Sequence[Finding]) -> bool:
    """Whether any check failed."""
    return any(finding.status == FAIL for finding in findings)


def to_json(findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """For programs."""
    return [asdict(finding) for finding in findings]


def as_lines(findings: Sequence[Finding]) -> list[str]:
    """In columns, for people."""
    width = max((len(finding.what) for finding in findings), default=0)
    return [
        f"{finding.status}  {finding.what.ljust(width)}  {finding.detail}"
        + (f"  -> {finding.command}" if finding.command else "")
        for finding in findings
    ]


def as_markdown(findings: Sequence[Finding]) -> str:
    """As a table, for Airflow's pages."""
    rows = [("", "what", "detail", "command"), ("---",) * 4]
    rows += [
        (finding.status, finding.what, finding.detail, f"`{finding.command}`" if finding.command else "") for finding in findings
    ]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def _skipped(why: str) -> list[Finding]:
    return [Finding(SKIP, name, why) for name, _ in _CLOUD]
