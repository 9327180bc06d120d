"""What all report stages do: one task, which writes a page and a card of all datasets of a run."""

from collections.abc import Sequence

from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Field
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.reports import CARD_NAME, PAGE_NAME


class PageStage(MapStage):
    """A report. A subclass says which datasets it reads, and renders them. The funnel counts datasets."""

    name = "report"
    version = 1
    unit = "datasets"
    takes_partial = True
    runs_here = True

    def datasets(self) -> Sequence[Dataset]:
        """All that the report reads, in the order in which the manifest names them.

        Raises:
            InputError: one is missing or of another stage.
        """
        raise NotImplementedError

    def render(self) -> tuple[str, str]:
        """The page and the card."""
        raise NotImplementedError

    def plan(self) -> Plan:
        """One task: the page needs all datasets at once."""
        datasets = self.datasets()
        schema = (Field(PAGE_NAME, "text/html"), Field(CARD_NAME, "text/markdown"))
        partial = any(dataset.manifest.partial for dataset in datasets)
        return Plan(tuple(dataset.as_input() for dataset in datasets), (Task("report"),), schema, partial)

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Writes the page and the card, each one record."""
        for name, text in zip((PAGE_NAME, CARD_NAME), self.render(), strict=True):
            with output.shard(name) as stream:
                stream.write(text.encode())
                stream.records = 1
        read = len(self.datasets())
        return output.result(task, Counters(read=read, kept=read, written=2))
