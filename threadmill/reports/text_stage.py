"""The report stage of text corpora: from a run's datasets to report.html and dataset_card.md."""

from dataclasses import dataclass, field

from threadmill.datasets.dataset import Dataset
from threadmill.documents.sources import CORPUS
from threadmill.reports.base import PageStage
from threadmill.reports.config import TextReportConfig
from threadmill.reports.text_card import render_text_card
from threadmill.reports.text_contents import gather_text
from threadmill.reports.text_page import render_text_page


@dataclass(frozen=True)
class TextReportStage(PageStage):
    """Tells of a text corpus, and of as much of the rest of its run as is given. The funnel counts datasets.

    Args:
        corpus_uri: what the report is about.
        vocabulary_uri, records_uri, model_uri, evaluation_uri: what was made from it.
    """

    corpus_uri: str
    vocabulary_uri: str | None = None
    records_uri: str | None = None
    model_uri: str | None = None
    evaluation_uri: str | None = None
    config: TextReportConfig = field(default_factory=TextReportConfig)

    def datasets(self) -> list[Dataset]:
        """All that are given, in the road's order.

        Raises:
            InputError: a dataset is missing, or of another stage than its name says.
        """
        return [self._corpus(), *self._made().values()]

    def _corpus(self) -> Dataset:
        return Dataset.open(self.corpus_uri, CORPUS)

    def _made(self) -> dict[str, Dataset]:
        """What was made from the corpus, by its stage."""
        given = {
            "vocabulary": self.vocabulary_uri,
            "records": self.records_uri,
            "train": self.model_uri,
            "evaluate": self.evaluation_uri,
        }
        return {stage: Dataset.open(uri, stage) for stage, uri in given.items() if uri}

    def render(self) -> tuple[str, str]:
        """The page and the card."""
        contents = gather_text(self._corpus(), self._made(), documents=self.config.examples)
        return render_text_page(contents), render_text_card(contents)
