"""The phases of a stage that is not done by one process here: each ends with what it made in a store, or raises.

A phase is run again from its beginning whenever its stage's run is taken up: after a deferral, a retry, a kill. So it looks for
what is there (receipts, a manifest, a job of the name that it would give) before it starts anything.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from threadmill.cloud.extra import extra_module
from threadmill.cloud.work import Waiting
from threadmill.datasets import storage
from threadmill.datasets.lock import writer_lock
from threadmill.datasets.unfinished import PHASES
from threadmill.engine.local import available_workers, run_tasks
from threadmill.engine.progress import Progress
from threadmill.engine.receipts import collect_receipts, mark_unfinished, write_receipt
from threadmill.engine.site import Site

if TYPE_CHECKING:
    from threadmill.engine.stage import MapStage, Plan, Stage, Task

# The function of each remote engine that sees to the receipts of tasks: (stage, tasks, run) -> Iterator[Waiting].
_ENGINES = {"beam": "threadmill.engine.beam.run", "dataflow": "threadmill.engine.dataflow.run"}


@dataclass(frozen=True)
class StageRun:
    """One stage on its way to one dataset.

    Attributes:
        plan: of the stage.
        uri: of the output.
        key: digest of stage, version, config and inputs: receipts of another key are not used.
        site: where the work is done.
    """

    plan: "Plan"
    uri: str
    key: str
    site: Site

    def between(self, name: str) -> str:
        """The URI of a dataset between phases."""
        return storage.join(self.uri, PHASES, name)


class Phase(ABC):
    """A part of a stage's work."""

    @abstractmethod
    def steps(self) -> Iterator[Waiting]:
        """Does the phase; yields remote work that is under way, and goes on when it is over. Ends when the phase is done."""

    def clean_up(self) -> None:
        """Removes what the phase left for those after it; called when the stage's manifest is in place. Must not raise for
        what is gone already.
        """
        return None


@dataclass(frozen=True)
class TasksPhase(Phase):
    """Tasks that know nothing of each other, done by the site's engine until each has its receipt.

    Args:
        worker: does the tasks; for the last phase of a stage, its ``process`` gives the plan's tasks.
    """

    worker: "MapStage"
    tasks: "Sequence[Task]"
    run: StageRun

    def steps(self) -> Iterator[Waiting]:
        """Runs what has no receipt yet."""
        if self.run.site.engine == "local":
            self._run_here()
            return
        yield from _engine(self.run.site.engine)(self.worker, self.tasks, self.run)

    def _run_here(self) -> None:
        storage.make_directory(self.run.uri)
        with writer_lock(self.run.uri):
            done = collect_receipts(self.run.uri, self.run.key)
            mark_unfinished(self.run.uri)
            pending = [task for task in self.tasks if task.name not in done]
            workers = self.run.site.workers or available_workers()
            with Progress(self.worker.name, self.worker.unit, len(pending)) as progress:
                for result in run_tasks(self.worker, pending, self.run.uri, workers) if pending else ():
                    write_receipt(self.run.uri, self.run.key, result)
                    progress.advance(result.counters.read)


@dataclass(frozen=True)
class StagePhase(Phase):
    """A dataset between two phases, made by a stage of its own."""

    stage: "Stage"
    uri: str
    site: Site

    def steps(self) -> Iterator[Waiting]:
        """Makes the dataset, or finds it."""
        from threadmill.engine.run import stage_steps

        yield from stage_steps(self.stage, self.uri, site=self.site, allow_partial=True)

    def clean_up(self) -> None:
        """Removes the dataset."""
        storage.remove_tree(self.uri)


def _engine(name: str) -> "Callable[[MapStage, Sequence[Task], StageRun], Iterator[Waiting]]":
    module = extra_module(_ENGINES[name], f"engine {name}")
    return cast("Callable[[MapStage, Sequence[Task], StageRun], Iterator[Waiting]]", module.task_steps)
