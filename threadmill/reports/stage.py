"""The report stage of conversations: from a run's datasets to report.html and dataset_card.md."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from threadmill.conversations.checks import check_conversations
from threadmill.conversations.statistics import CONVERSATIONS
from threadmill.conversations.yields import datasets_there
from threadmill.datasets.dataset import Dataset
from threadmill.reports.base import PageStage
from threadmill.reports.card import render_card
from threadmill.reports.config import ReportConfig
from threadmill.reports.contents import gather
from threadmill.reports.page import render_page


@dataclass(frozen=True)
class ReportStage(PageStage):
    """Tells of a conversations dataset, and of as much of the rest of its run as is given. The funnel counts datasets.

    Args:
        comments_uri, threads_uri: what the conversations were made from; several of comments, where older months were context.
        conversations_uri: what the report is about, deduplicated or not.
        vocabulary_uri, records_uri, model_uri, evaluation_uri: what was made from them.
        earlier: conversations of the months before, in their order: plotted beside, and the last is what drift is measured
            against. They count in no funnel.
        memory_limit: what the warehouse may hold before it spills, such as "1GB".
    """

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

    def datasets(self) -> list[Dataset]:
        """All that are given, in the road's order, then the earlier conversations.

        Raises:
            InputError: a dataset is missing, or one of conversations is of another stage.
        """
        return [*self._datasets(), *self._earlier()]

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

    def render(self) -> tuple[str, str]:
        """The page and the card."""
        previous = self.earlier[-1] if self.earlier else ""
        contents = gather(
            self._datasets(),
            Dataset.open(self.conversations_uri),
            earlier=self._earlier(),
            checks=check_conversations(self.conversations_uri, self.config, previous=previous, memory_limit=self.memory_limit),
            model=Dataset.open(self.model_uri) if self.model_uri else None,
            evaluation=Dataset.open(self.evaluation_uri) if self.evaluation_uri else None,
            examples=self.config.examples,
            top_subreddits=self.config.top_subreddits,
        )
        return render_page(contents), render_card(contents)
