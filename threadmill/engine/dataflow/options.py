"""The deployment's settings as Dataflow's options, all checked before anything is staged."""

import re
from collections.abc import Sequence
from pathlib import Path

from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.options.pipeline_options_validator import PipelineOptionsValidator
from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner
from google.auth.credentials import AnonymousCredentials

from threadmill.cloud.credentials import current_access
from threadmill.cloud.identity import RunIdentity
from threadmill.cloud.labels import all_labels
from threadmill.cloud.package import worker_files
from threadmill.datasets import storage
from threadmill.engine.beam.options import parse_flags, split_flags
from threadmill.engine.dataflow.client import endpoint
from threadmill.errors import ConfigError
from threadmill.settings import Settings, get_settings

_REGION = re.compile(r"[a-z]+(-[a-z]+)+\d+")
_SUBNETWORK = re.compile(r"(https://www\.googleapis\.com/compute/v1/projects/[^/]+/)?regions/([^/]+)/subnetworks/[a-z0-9-]+")
_ACCOUNT = re.compile(r"[^@\s]+@[^@\s]+\.gserviceaccount\.com")
_BUCKET = re.compile(r"[a-z0-9][-_a-z0-9.]*[a-z0-9]")
_MACHINE = re.compile(r"[a-z0-9]+(-[a-z0-9]+)+")


def dataflow_options(uri: str, job_name: str, identity: RunIdentity, folder: Path) -> PipelineOptions:
    """The options of a job.

    Args:
        uri: of the output, gs://.
        folder: a local one, for the files of the workers' package.

    Raises:
        ConfigError: the settings are of no use, or name an option that Beam does not know.
    """
    settings = get_settings()
    check_settings(settings, uri)
    flags = [*_job(settings, uri, job_name, identity), *_workers(settings)]
    extra = split_flags(settings.dataflow_options, "THREADMILL_DATAFLOW_OPTIONS")
    _validate([*flags, *extra])
    return parse_flags([*flags, *extra, *_package(settings, folder), *_service()])


def check_settings(settings: Settings, uri: str) -> None:
    """Raises ConfigError where a setting of Dataflow's is missing or malformed; ``uri`` is the output's."""
    if not uri.startswith("gs://"):
        raise ConfigError(
            f"{uri} is not in Cloud Storage, where Dataflow's workers could write it; set THREADMILL_ROOT=gs://BUCKET/FOLDER, "
            "or THREADMILL_ENGINE=local"
        )
    bucket = _staging_root(settings, uri).removeprefix("gs://").partition("/")[0]
    if not _BUCKET.fullmatch(bucket):
        raise ConfigError(f"{bucket!r} is no name of a bucket; set THREADMILL_ROOT=gs://BUCKET/FOLDER")
    if not _REGION.fullmatch(settings.region):
        raise ConfigError(f"THREADMILL_REGION={settings.region!r} is no region; set the bucket's, such as us-central1")
    for name, pattern, wanted in (
        ("dataflow_machine_type", _MACHINE, "a machine type, such as n2-standard-4"),
        ("dataflow_service_account", _ACCOUNT, "NAME@PROJECT.iam.gserviceaccount.com"),
        ("dataflow_subnetwork", _SUBNETWORK, "regions/REGION/subnetworks/NAME"),
    ):
        value = getattr(settings, name)
        if value and not pattern.fullmatch(value):
            raise ConfigError(f"THREADMILL_{name.upper()}={value!r} is not {wanted}; set it so")
    place = _SUBNETWORK.fullmatch(settings.dataflow_subnetwork)
    if place and place[2] != settings.region:
        raise ConfigError(
            f"THREADMILL_DATAFLOW_SUBNETWORK is in {place[2]}, but the jobs in {settings.region}; name one of THREADMILL_REGION"
        )
    if settings.dataflow_workers > settings.dataflow_max_workers:
        raise ConfigError(
            f"THREADMILL_DATAFLOW_WORKERS={settings.dataflow_workers} is more than THREADMILL_DATAFLOW_MAX_WORKERS="
            f"{settings.dataflow_max_workers}; set it lower"
        )


def _job(settings: Settings, uri: str, job_name: str, identity: RunIdentity) -> list[str]:
    staging = storage.join(_staging_root(settings, uri), "staging", "dataflow")
    return [
        f"--project={current_access().project}",
        f"--region={settings.region}",
        f"--job_name={job_name}",
        f"--temp_location={staging}",
        f"--staging_location={staging}",
        *(f"--labels={key}={value}" for key, value in all_labels(identity).items()),
        *(["--flexrs_goal=COST_OPTIMIZED"] if settings.dataflow_flexrs else []),
    ]


def _staging_root(settings: Settings, uri: str) -> str:
    if settings.root.startswith("gs://"):
        return settings.root
    return storage.join("gs://" + uri.removeprefix("gs://").partition("/")[0], "threadmill")


def _workers(settings: Settings) -> list[str]:
    values = {
        "machine_type": settings.dataflow_machine_type,
        "num_workers": settings.dataflow_workers,
        "max_num_workers": settings.dataflow_max_workers,
        "disk_size_gb": settings.dataflow_disk_gb,
        "network": settings.dataflow_network,
        "subnetwork": settings.dataflow_subnetwork,
        "service_account_email": settings.dataflow_service_account,
        # Dataflow starts a process a core; of tasks each does one at a time, so that memory is bounded by the cores.
        "number_of_worker_harness_threads": 1,
    }
    flags = [f"--{name}={value}" for name, value in values.items() if value]
    return [*flags, *(["--no_use_public_ips"] if settings.dataflow_private_ips else [])]


def _package(settings: Settings, folder: Path) -> list[str]:
    """What is installed on the workers: nothing on an image of ours; else the wheel and its locked set."""
    quiet = "--experiments=disable_logging_submission_environment"  # `pip freeze`; the build and the locked set tell more
    if settings.dataflow_image:
        return [f"--sdk_container_image={settings.dataflow_image}", "--sdk_location=container", quiet]
    wheel, requirements = worker_files(folder)
    flags = [f"--extra_package={wheel}", f"--requirements_file={requirements}", quiet]
    # Workers with private addresses reach no package index: what they need is fetched here, and staged.
    return flags if settings.dataflow_private_ips else [*flags, "--requirements_cache=skip"]


def _service() -> list[str]:
    flags = [f"--dataflow_endpoint={endpoint()}"] if endpoint() else []
    return [*flags, *(["--no_auth"] if isinstance(current_access().credentials, AnonymousCredentials) else [])]


def _validate(flags: Sequence[str]) -> None:
    """Beam's own checks, which it leaves out where the endpoint is not Google's; a dry run asks nobody."""
    options = parse_flags([*flags, "--dry_run=True"])
    problems = PipelineOptionsValidator(options, DataflowRunner()).validate()
    if problems:
        raise ConfigError(f"Dataflow's options: {' '.join(' '.join(problems).split())}; mend THREADMILL_DATAFLOW_*")
