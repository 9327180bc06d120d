"""Checks of Cloud TPU: the type and the runtime version are to be had in each zone."""

from collections.abc import Iterator

from threadmill.doctor.api import ApiError
from threadmill.doctor.checkup import FAIL, PASS, SKIP, Finding, Patient


def check_tpus(patient: Patient) -> Iterator[Finding]:
    """Zone by zone."""
    zones = [zone.strip() for zone in patient.settings.tpu_zones.split(",") if zone.strip()]
    if "tpu" not in patient.parts or not zones:
        yield Finding(SKIP, "TPU types", "no Cloud TPU is asked for")
        return
    for zone in zones:
        yield from _zone(patient, zone)


def _zone(patient: Patient, zone: str) -> Iterator[Finding]:
    place = f"/v2/projects/{patient.project}/locations/{zone}"
    for what, wanted, path, key, setting, command in (
        ("TPU type", patient.settings.tpu_type, "acceleratorTypes", "type", "TPU_TYPE", "accelerator-types"),
        ("TPU runtime", patient.settings.tpu_runtime, "runtimeVersions", "version", "TPU_RUNTIME", "versions"),
    ):
        try:
            found = {entry[key] for entry in patient.api.pages("tpu", f"{place}/{path}", path)}
        except ApiError as error:
            if error.status != 404:
                raise
            yield Finding(FAIL, f"{what} in {zone}", f"{zone} has no Cloud TPU", "gcloud compute tpus locations list")
            return
        if wanted in found:
            yield Finding(PASS, f"{what} in {zone}", wanted)
        else:
            remedy = f"gcloud compute tpus tpu-vm {command} list --zone {zone}, and set THREADMILL_{setting} to one of them"
            yield Finding(FAIL, f"{what} in {zone}", f"{wanted} is not among its {len(found)}", remedy)
