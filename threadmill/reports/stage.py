"""The report stage: from a run's datasets to report.html and dataset_card.md."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from threadmill.conversations.checks import check_conversations
from threadmill.conversations.statistics import CONVERSATIONS
from threadmill.conversations.yields import datasets_there
from threadmill.datasets.counters import Counters
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Field
from threadmill.engine.stage import MapStage, Plan, Task, TaskOutput, TaskResult
from threadmill.reports import CARD_NAME, PAGE_NAME
from threadmill.reports.card import render_card
from threadmill.reports.config import ReportConfig
from threadmill.reports.contents import gather
from threadmill.reports.page import render_page


@dataclass(frozen=True)
class ReportStage(MapStage):
    """Tells of a conversations dataset, and of as much of the rest of its run as is given. The funnel counts datasets.

    Args:
        comments_uri, threads_uri: what the conversations were made from; several of comments, where older months were context.
        conversations_uri: what the report is about, deduplicated or not.
        vocabulary_uri, records_uri, model_uri, evaluation_uri: what was made from them.
        earlier: conversations of the months before, in their order: plotted beside, and the last is what drift is measured
            against. They count in no funnel.
        memory_limit: what the warehouse may hold before it spills, such as "1GB".
    """

    name = "report"
    version = 1
    unit = "datasets"
    takes_partial = True

    comments_uri: str | Sequence[str] | None
    threads_uri: str | None
    conversations_uri: str
    vocabulary_uri: str | None = None
    records_uri: str | None = None
    model_uri: str | None = None
    evaluation_uri: str | None = None
    config: ReportConfig = field(default_factory=ReportConfig)
    earlier: tuple[str, ...] = ()
    memory_limit: str = "1GB"

    def plan(self) -> Plan:
        """One task: the page needs all datasets at once.

        Raises:
            InputError: a dataset is missing, or one of conversations is of another stage.
        """
        datasets = [*self._datasets(), *self._earlier()]
        schema = (Field(PAGE_NAME, "text/html"), Field(CARD_NAME, "text/markdown"))
        partial = any(dataset.manifest.partial for dataset in datasets)
        return Plan(tuple(dataset.as_input() for dataset in datasets), (Task("report"),), schema, partial)

    def _datasets(self) -> list[Dataset]:
        """All that are given, in the road's order; before deduplicated conversations those that they were made from."""
        comments = (self.comments_uri,) if isinstance(self.comments_uri, str) else (self.comments_uri or ())
        made = (self.vocabulary_uri, self.records_uri, self.model_uri, self.evaluation_uri)
        conversations = Dataset.open(self.conversations_uri, *CONVERSATIONS)
        return [
            *(Dataset.open(uri) for uri in (*comments, self.threads_uri) if uri),
            *datasets_there(conversations.manifest, "conversations"),
            conversations,
            *(Dataset.open(uri) for uri in made if uri),
        ]

    def _earlier(self) -> list[Dataset]:
        return [Dataset.open(uri, *CONVERSATIONS) for uri in self.earlier]

    def process(self, task: Task, output: TaskOutput) -> TaskResult:
        """Writes the page and the card, each one record."""
        datasets, earlier = self._datasets(), self._earlier()
        previous = self.earlier[-1] if self.earlier else ""
        contents = gather(
            datasets,
            Dataset.open(self.conversations_uri),
            earlier=earlier,
            checks=check_conversations(self.conversations_uri, self.config, previous=previous, memory_limit=self.memory_limit),
            model=Dataset.open(self.model_uri) if self.model_uri else None,
            evaluation=Dataset.open(self.evaluation_uri) if self.evaluation_uri else None,
            examples=self.config.examples,
            top_subreddits=self.config.top_subreddits,
        )
        for name, text in ((PAGE_NAME, render_page(contents)), (CARD_NAME, render_card(contents))):
            with output.shard(name) as stream:
                stream.write(text.encode())
                stream.records = 1
        read = len(datasets) + len(earlier)
        return output.result(task, Counters(read=read, kept=read, written=2))
