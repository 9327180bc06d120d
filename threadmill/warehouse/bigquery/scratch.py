"""Scratch datasets: the tables between the jobs of one stage's run, which expire by themselves and are deleted at its end."""

from google.api_core import exceptions
from google.cloud import bigquery

from threadmill.cloud.labels import all_labels
from threadmill.engine.phases import StageRun
from threadmill.errors import ConfigError
from threadmill.settings import get_settings
from threadmill.warehouse.bigquery.client import job_location, open_client
from threadmill.warehouse.bigquery.faults import CALL_SECONDS, RETRY, explained

_DAY = 86_400_000  # milliseconds


def scratch_dataset(run: StageRun) -> str:
    """The name of the dataset of the tables between a run's jobs: the same each time. Makes no call."""
    return run.site.identity.name(run.key, "scratch").replace("-", "_")


def make_scratch(run: StageRun) -> str:
    """Makes the scratch dataset, or finds it; its name. Its tables expire after the setting bigquery_scratch_days."""
    name = scratch_dataset(run)
    make_dataset(name, labels=all_labels(run.site.identity), days=get_settings().bigquery_scratch_days)
    return name


def delete_scratch(run: StageRun) -> None:
    """Deletes the scratch dataset and its tables; none is no error."""
    client, name = open_client(), scratch_dataset(run)
    with explained(f"BigQuery, dataset {client.project}.{name}"):
        client.delete_dataset(name, delete_contents=True, not_found_ok=True, retry=RETRY, timeout=CALL_SECONDS)


def make_dataset(name: str, *, labels: dict[str, str], days: int = 0, description: str = "") -> None:
    """Makes a dataset where our jobs are, or finds it.

    Args:
        days: after which its tables expire; 0 for never.

    Raises:
        ConfigError: it is there, in another location.
    """
    client = open_client()
    dataset = bigquery.Dataset(f"{client.project}.{name}")
    dataset.location, dataset.labels, dataset.description = job_location(), labels, description or None
    if days:
        # Not that of partitions too: it would replace this one for partitioned tables, and those of a range have none.
        dataset.default_table_expiration_ms = days * _DAY
    with explained(f"BigQuery, dataset {client.project}.{name}"):
        try:
            found = client.get_dataset(name, retry=RETRY, timeout=CALL_SECONDS)
        except exceptions.NotFound:
            found = client.create_dataset(dataset, exists_ok=True, retry=RETRY, timeout=CALL_SECONDS)
    check_location(found)


def check_location(dataset: bigquery.Dataset) -> None:
    """Raises ConfigError where a dataset is not where our jobs are, which cannot read it then."""
    if dataset.location.lower() != job_location().lower():
        raise ConfigError(
            f"the BigQuery dataset {dataset.project}.{dataset.dataset_id} is in {dataset.location}, and jobs run in "
            f"{job_location()}; set THREADMILL_BIGQUERY_LOCATION={dataset.location}, or name another dataset"
        )
