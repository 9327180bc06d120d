"""The takedown ledger as a table of BigQuery, for the statements of sql/ that read it."""

from threadmill.datasets import storage
from threadmill.datasets.unfinished import PHASES
from threadmill.engine.phases import StageRun
from threadmill.takedown.ledger import Ledger
from threadmill.warehouse.bigquery.jobs import LoadJob


def ledger_job(ledger: Ledger, run: StageRun) -> LoadJob:
    """The job that makes the table ``ledger`` of the run's scratch dataset, from a file that is written now beside the output."""
    entries, uri = ledger.entries(), run.between("ledger.parquet")
    storage.make_directory(storage.join(run.uri, PHASES))
    with storage.atomic_writer(uri) as stream:
        entries.write_parquet(stream)
    return LoadJob("ledger", (uri,), "ledger", [(name, "string") for name in entries.columns])
