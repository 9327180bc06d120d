"""Operators from a corpus to a trained model: vocabulary, records, training, evaluation, export."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from operators.base import StageOperator
from operators.library import library_calls
from operators.pretraining_params import pretraining_configs
from threadmill.datasets.manifest import MANIFEST_NAME
from threadmill.datasets.storage import exists, join, list_names
from threadmill.vocab.config import VocabularyConfig

if TYPE_CHECKING:
    from airflow.sdk import Context

    from threadmill.engine.stage import Stage


log = logging.getLogger(__name__)


class VocabularyOperator(StageOperator):
    """A vocabulary of a corpus.

    Args:
        corpus: a dataset of text or of conversations.
    """

    template_fields: Sequence[str] = ("uri", "corpus")
    dataset_name = "vocabulary"

    def __init__(self, *, corpus: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.corpus = corpus

    def make_stage(self, context: "Context") -> "Stage":
        """The vocabulary stage over the train split."""
        from threadmill.vocab.stage import VocabularyStage

        return VocabularyStage([self.corpus], pretraining_configs(context["params"]).vocabulary)


class MonthlyVocabularyOperator(VocabularyOperator):
    """The vocabulary: the newest there is, month after month, unless there is none or a new one is asked for.

    A new one goes into a folder of its month, so that earlier records and models keep theirs.

    Args:
        uri: the folder of all vocabularies.
        month: the month of the run.
    """

    template_fields: Sequence[str] = ("uri", "corpus", "month")

    def __init__(self, *, month: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.month = month

    def execute(self, context: "Context") -> Any:
        """Finds or makes it; returns its URI."""
        with library_calls():
            month = self.month if context["params"]["rebuild_vocabulary"] else self._newest()
        self.uri = join(self.uri, month)
        if month == self.month:
            return super().execute(context)
        with library_calls():
            self._tell_differences(pretraining_configs(context["params"]).vocabulary)
        return self.uri

    def _newest(self) -> str:
        """The month of the newest vocabulary that is not of a later one; this month, to be made, where there is none."""
        months = [name for name in list_names(self.uri) if name <= self.month]
        return max((name for name in months if exists(join(self.uri, name, MANIFEST_NAME))), default=self.month)

    def _tell_differences(self, config: VocabularyConfig) -> None:
        from threadmill.datasets.dataset import Dataset

        made, asked = Dataset.open(self.uri, "vocabulary").manifest.config, asdict(config)
        differing = ", ".join(f"{name} is {made.get(name)}, not {asked[name]}" for name in asked if made.get(name) != asked[name])
        if differing:
            log.warning("vocabulary: using %s (%s; set rebuild_vocabulary for a new one)", self.uri, differing)
        else:
            log.info("vocabulary: using %s", self.uri)


class RecordsOperator(StageOperator):
    """A corpus to pretraining records.

    Args:
        corpus: a dataset of text or of conversations.
        vocabulary: a vocabulary dataset.
    """

    template_fields: Sequence[str] = ("uri", "corpus", "vocabulary")

    def __init__(self, *, corpus: str, vocabulary: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.corpus, self.vocabulary = corpus, vocabulary

    def make_stage(self, context: "Context") -> "Stage":
        """The records stage."""
        from threadmill.pretraining.stage import RecordsStage

        return RecordsStage([self.corpus], self.vocabulary, pretraining_configs(context["params"]).records)


class TrainOperator(StageOperator):
    """Records to a trained model, in a process of its own; a retry resumes from the last checkpoint.

    Args:
        previous: the model of the month before, "" for none; the param ``continue_training`` begins with its weights.
    """

    template_fields: Sequence[str] = ("uri", "records", "vocabulary", "previous")
    ui_color = "#fce8e6"
    work = "trainer"

    def __init__(self, *, records: str, vocabulary: str, previous: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.records, self.vocabulary, self.previous = records, vocabulary, previous

    def make_stage(self, context: "Context") -> "Stage":
        """The training stage."""
        from threadmill.training.stage import TrainingStage

        configs = pretraining_configs(context["params"])
        training = configs.training
        if context["params"].get("continue_training") and self.previous:
            training = replace(training, init_from=self.previous)
        return TrainingStage(self.records, self.vocabulary, training, configs.checkpoints)


class EvaluateOperator(StageOperator):
    """A model's measures on records it was not trained on."""

    template_fields: Sequence[str] = ("uri", "model", "records")
    ui_color = "#fce8e6"
    work = "trainer"

    def __init__(self, *, model: str, records: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model, self.records = model, records

    def make_stage(self, context: "Context") -> "Stage":
        """The evaluation stage."""
        from threadmill.training.evaluation.stage import EvaluationStage

        return EvaluationStage(self.model, self.records, pretraining_configs(context["params"]).evaluation)


class ExportOperator(StageOperator):
    """A model in a format that other software loads, with its model card.

    Args:
        evaluation: the model's scores, for the card.
    """

    template_fields: Sequence[str] = ("uri", "model", "evaluation")
    ui_color = "#fce8e6"
    work = None

    def __init__(self, *, model: str, evaluation: str, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.model, self.evaluation = model, evaluation

    def make_stage(self, context: "Context") -> "Stage":
        """The export stage."""
        from threadmill.training.export.stage import ExportStage

        return ExportStage(self.model, pretraining_configs(context["params"]).export, self.evaluation)
