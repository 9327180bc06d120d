"""Whether the settings of a deployment on Google Cloud are all there, and fit one another."""

from collections.abc import Iterator

from threadmill.doctor.checkup import FAIL, PASS, Finding, Patient
from threadmill.errors import ConfigError
from threadmill.pricing.accelerators import slice_of, vertex_slice
from threadmill.pricing.engine_costs import machine


def check_settings(patient: Patient) -> Iterator[Finding]:
    """Each that is missing or wrong; one line where none is."""
    wrong = list(_wrong(patient))
    yield from wrong
    if not wrong:
        engine, warehouse, trainer = patient.settings.runs_on
        yield Finding(PASS, "settings", f"complete: engine {engine}, warehouse {warehouse}, trainer {trainer}")


def _wrong(patient: Patient) -> Iterator[Finding]:
    settings, parts = patient.settings, patient.parts
    if not settings.root.startswith("gs://"):
        yield _missing(
            f"THREADMILL_ROOT is {settings.root}, which remote workers cannot see", "export THREADMILL_ROOT=gs://BUCKET/FOLDER"
        )
    if not patient.project:
        yield _missing("THREADMILL_PROJECT is not set", "export THREADMILL_PROJECT=PROJECT")
    if not settings.region and set(parts) & {"dataflow", "bigquery", "vertex"}:
        yield _missing("THREADMILL_REGION is not set", "export THREADMILL_REGION=us-central1, or that of the bucket")
    if "tpu" in parts and not settings.tpu_zones:
        yield _missing("THREADMILL_TPU_ZONES is not set", "export THREADMILL_TPU_ZONES=us-central1-a, with more after commas")
    if "vertex" in parts and not settings.vertex_image:
        yield _missing(
            "THREADMILL_VERTEX_IMAGE is not set", "export THREADMILL_VERTEX_IMAGE=REGION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE"
        )
    yield from _unknown_types(patient)


def _unknown_types(patient: Patient) -> Iterator[Finding]:
    settings = patient.settings
    for part, ask in (
        ("dataflow", lambda: machine(settings.dataflow_machine_type)),
        ("tpu", lambda: slice_of(settings.tpu_type)),
        ("vertex", lambda: vertex_slice(settings.vertex_machine_type, settings.vertex_topology)),
    ):
        if part in patient.parts:
            try:
                ask()
            except ConfigError as error:
                yield _missing(*str(error).split("; ", 1))


def _missing(detail: str, command: str = "") -> Finding:
    return Finding(FAIL, "settings", detail, command)
