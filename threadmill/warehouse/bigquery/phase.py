"""A sequence of BigQuery jobs as a phase of a stage, with a scratch dataset for the tables between them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from threadmill.cloud.work import Waiting
from threadmill.engine.phases import Phase, StageRun
from threadmill.warehouse.bigquery.jobs import Job, job_steps
from threadmill.warehouse.bigquery.scratch import delete_scratch, make_scratch

Work = Job | Callable[[], Iterable[Job]]
"""A job, or what gives jobs only when those before it are done: such as of the files that a phase before has written."""


@dataclass(frozen=True)
class SqlPhase(Phase):
    """Does its works one after the other. The scratch dataset lives until the stage's manifest is in place.

    Args:
        run: whose scratch dataset is used.
        works: jobs whose names are unique in the run.
    """

    run: StageRun
    works: Sequence[Work]

    def steps(self) -> Iterator[Waiting]:
        """Does what is not done."""
        make_scratch(self.run)
        for work in self.works:
            for job in work() if callable(work) else (work,):
                yield from job_steps(job, self.run)

    def clean_up(self) -> None:
        """Deletes the scratch dataset."""
        delete_scratch(self.run)
