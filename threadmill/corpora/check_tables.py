"""The measures of the checks of comments by BigQuery, from the table of comments."""

from collections.abc import Generator, Sequence

import pyarrow as pa

from threadmill.cloud.work import JOBS, Waiting
from threadmill.datasets import storage
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.digest import json_digest
from threadmill.engine.phases import StageRun
from threadmill.engine.site import Site
from threadmill.engine.stage import Plan
from threadmill.errors import RemoteWorkError
from threadmill.warehouse.bigquery.client import open_client
from threadmill.warehouse.bigquery.comments import comments_view, load_comments
from threadmill.warehouse.bigquery.jobs import statement_job
from threadmill.warehouse.bigquery.phase import SqlPhase, Work
from threadmill.warehouse.bigquery.rows import read_rows
from threadmill.warehouse.bigquery.scratch import scratch_dataset

_DAYS, _MEASURES = "comment_days", "comment_measures"


def measure_comments(
    datasets: Sequence[Dataset], month: str, site: Site
) -> Generator[Waiting, None, tuple[list[pa.Table], pa.Table]]:
    """The rows of comment_days.sql for each dataset, and of comment_measures.sql for the first.

    Loads what is not in the table of comments. Yields remote work that is under way; called again, finds what is done.
    """
    phases = [_phase(dataset, (_DAYS, _MEASURES)[: 1 if number else 2], month, site) for number, dataset in enumerate(datasets)]
    for phase in phases:
        yield from phase.steps()
    days = [_read(phase.run, _DAYS) for phase in phases]
    measures = _read(phases[0].run, _MEASURES)
    _check_whole(datasets[0], measures, phases[0])
    for phase in phases:
        phase.clean_up()
        storage.remove_tree(storage.join(phase.run.uri, JOBS))  # the dataset is finished: it keeps no records of later jobs
    return days, measures


def _check_whole(dataset: Dataset, measures: pa.Table, phase: SqlPhase) -> None:
    """Raises RemoteWorkError where the table of comments lacks some, because somebody has changed it."""
    (row,) = measures.to_pylist()
    found = row["row_count"] + row["submissions"]
    if found != dataset.manifest.records:
        phase.clean_up()
        raise RemoteWorkError(
            f"BigQuery has {found:,} comments of {dataset.uri}, whose manifest tells {dataset.manifest.records:,}: the table of "
            "comments was changed meanwhile; run it again, which loads them again"
        )


def _phase(dataset: Dataset, statements: Sequence[str], month: str, site: Site) -> SqlPhase:
    key = json_digest(["comment_checks", dataset.manifest.digest, *statements, month])
    run = StageRun(Plan((), (), ()), dataset.uri, key, site)
    parameters = {_MEASURES: {"month": month}}
    works: list[Work] = [
        lambda: load_comments([dataset], run),
        comments_view([dataset], "comments", run),
        *(statement_job(statement, statement, parameters.get(statement)) for statement in statements),
    ]
    return SqlPhase(run, works)


def _read(run: StageRun, table: str) -> pa.Table:
    batches = list(read_rows(f"{open_client().project}.{scratch_dataset(run)}.{table}"))
    if batches:
        return pa.Table.from_batches(batches)
    return pa.schema([(name, pa.int64()) for name in ("day", "row_count", "tombstones")]).empty_table()  # no day has any
