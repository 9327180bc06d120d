"""What a report on a text corpus tells: everything read from its run's datasets, before any of it is laid out."""

from collections.abc import Mapping
from dataclasses import dataclass

from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import Manifest
from threadmill.documents.survey import SplitSurvey, Survey, survey_corpus
from threadmill.reports.run import RunContents, SplitSize, read_run, split_sizes


@dataclass(frozen=True)
class TextContents:
    """The content of a report on a text corpus.

    Attributes:
        run: of all the run's datasets.
        corpus: the manifest that the report is about.
        survey: of the corpus, with the documents to show.
        total: the survey's, of all splits together.
        splits: of the corpus.
        vocabulary, records: manifests of what was made from it, if that was given.
    """

    run: RunContents
    corpus: Manifest
    survey: Survey
    total: SplitSurvey
    splits: tuple[SplitSize, ...]
    vocabulary: Manifest | None
    records: Manifest | None


def gather_text(corpus: Dataset, made: Mapping[str, Dataset], *, documents: int) -> TextContents:
    """Reads what the report tells of a corpus.

    Args:
        made: what was made from it, by stage, in the road's order.
        documents: how many to show.

    Raises:
        InputError: a shard of the corpus is missing, cut, or no text.
        IntegrityError: the losses or the evaluation is damaged.
    """
    survey = survey_corpus(corpus.uri, documents)
    manifests = {stage: dataset.manifest for stage, dataset in made.items()}
    return TextContents(
        run=read_run([corpus, *made.values()], made.get("train"), made.get("evaluate")),
        corpus=corpus.manifest,
        survey=survey,
        total=survey.total,
        splits=split_sizes(corpus),
        vocabulary=manifests.get("vocabulary"),
        records=manifests.get("records"),
    )
