"""The report stage: from a run's datasets to report.html and dataset_card.md."""

from dataclasses import dataclass, field

from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Field
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.errors import InputError
from threadmill.reports import CARD_NAME, PAGE_NAME
from threadmill.reports.card import render_card
from threadmill.reports.config import ReportConfig
from threadmill.reports.contents import gather
from threadmill.reports.page import render_page


@dataclass(frozen=True)
class ReportStage(MapStage):
    """Tells of a conversations dataset, and of as much of the rest of its run as is given. The funnel counts datasets.

    Args:
        comments_uri, threads_uri: what the conversations were made from.
        conversations_uri: what the report is about.
        vocabulary_uri, records_uri, model_uri, evaluation_uri: what was made from them.
    """

    name = "report"
    version = 1
    unit = "datasets"
    takes_partial = True

    comments_uri: str | None
    threads_uri: str | None
    conversations_uri: str
    vocabulary_uri: str | None = None
    records_uri: str | None = None
    model_uri: str | None = None
    evaluation_uri: str | None = None
    config: ReportConfig = field(default_factory=ReportConfig)

    def plan(self) -> Plan:
        """One task: the page needs all datasets at once.

        Raises:
            InputError: a dataset is missing, or ``conversations_uri`` is one of another stage.
        """
        datasets = self._datasets()
        conversations = Dataset.open(self.conversations_uri).manifest
        if conversations.stage != "conversations":
            raise InputError(
                f"{self.conversations_uri} is a dataset of stage {conversations.stage}; name a conversations dataset"
            )
        schema = (Field(PAGE_NAME, "text/html"), Field(CARD_NAME, "text/markdown"))
        partial = any(dataset.manifest.partial for dataset in datasets)
        return Plan(tuple(dataset.as_input() for dataset in datasets), (Task("report"),), schema, partial)

    def _datasets(self) -> list[Dataset]:
        """All that are given, in the road's order."""
        made_from = (self.comments_uri, self.threads_uri, self.conversations_uri)
        made = (self.vocabulary_uri, self.records_uri, self.model_uri, self.evaluation_uri)
        return [Dataset.open(uri) for uri in (*made_from, *made) if uri]

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Writes the page and the card, each one record."""
        datasets = self._datasets()
        contents = gather(
            datasets,
            Dataset.open(self.conversations_uri),
            model=Dataset.open(self.model_uri) if self.model_uri else None,
            evaluation=Dataset.open(self.evaluation_uri) if self.evaluation_uri else None,
            examples=self.config.examples,
            top_subreddits=self.config.top_subreddits,
        )
        for name, text in ((PAGE_NAME, render_page(contents)), (CARD_NAME, render_card(contents))):
            with output.shard(name) as stream:
                stream.write(text.encode())
                stream.records = 1
        return output.result(task, Counters(read=len(datasets), kept=len(datasets), written=2))
