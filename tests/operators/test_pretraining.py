"""The road's second half: which vocabulary, and what is asked of records, training and evaluation."""

import logging
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from operators.pretraining import EvaluateOperator, MonthlyVocabularyOperator, RecordsOperator, TrainOperator
from tests.conversation_datasets import made_examples, write_conversations
from tests.operators.contexts import context
from threadmill.datasets.manifest import read_manifest
from threadmill.training.config import CheckpointConfig, EvaluationConfig, TrainingConfig


@pytest.fixture
def conversations(tmp_path: Path) -> dict[str, str]:
    """Of three months, each of its own text."""
    return {
        month: write_conversations(tmp_path / month, {"train": [made_examples(20, seed)], "validation": [made_examples(5, seed)]})
        for seed, month in enumerate(("2005-12", "2006-01", "2006-02"))
    }


class TestVocabulary:
    @pytest.fixture
    def vocabulary(self, root: Path, conversations: dict[str, str]) -> Any:
        """Runs the task of a month, and says of which month the vocabulary is that it gives."""

        def run(month: str, **params: Any) -> str:
            task = MonthlyVocabularyOperator(task_id="vocabulary", uri=str(root), corpus=conversations[month], month=month)
            uri = task.execute(context(**{"vocab_size": 90, **params}))
            assert read_manifest(uri).name == "vocabulary"
            return Path(uri).relative_to(root).name

        return run

    def test_is_made_once_and_reused_month_after_month(self, root: Path, vocabulary: Any) -> None:
        assert [vocabulary(month) for month in ("2005-12", "2006-01", "2006-02")] == ["2005-12"] * 3
        assert [path.name for path in root.iterdir()] == ["2005-12"]

    def test_is_the_same_when_its_task_is_cleared(self, root: Path, vocabulary: Any) -> None:
        digests = [read_manifest(str(root / vocabulary("2005-12"))).digest for _ in range(2)]
        assert digests[0] == digests[1]

    def test_a_rebuild_makes_one_of_the_month_and_leaves_the_earlier_one(self, root: Path, vocabulary: Any) -> None:
        vocabulary("2005-12")
        before = read_manifest(str(root / "2005-12"))
        assert vocabulary("2006-01", rebuild_vocabulary=True, vocab_size=100) == "2006-01"
        assert read_manifest(str(root / "2005-12")) == before
        assert read_manifest(str(root / "2006-01")).records == 100
        assert vocabulary("2006-01", rebuild_vocabulary=True, vocab_size=100) == "2006-01"
        assert vocabulary("2006-02") == "2006-01", "the newest there is"

    def test_an_earlier_month_that_is_run_later_changes_none_of_a_month_that_has_its_own(self, vocabulary: Any) -> None:
        assert vocabulary("2006-01") == "2006-01"
        assert vocabulary("2005-12") == "2005-12", "a vocabulary of the future is not used"
        assert vocabulary("2006-01") == "2006-01"

    def test_one_that_was_never_finished_is_passed_over(self, root: Path, vocabulary: Any) -> None:
        vocabulary("2005-12")
        (root / "2006-01").mkdir()
        (root / "2006-01" / "vocab.txt").write_text("[PAD]\n")
        assert vocabulary("2006-02") == "2005-12"

    def test_tells_where_the_one_in_use_differs_from_what_was_asked_for(
        self, vocabulary: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        vocabulary("2005-12")
        with caplog.at_level(logging.WARNING, "operators"):
            vocabulary("2006-01")
            assert not caplog.messages
            vocabulary("2006-01", vocab_size=100, lowercase=False)
        (message,) = caplog.messages
        assert "vocab_size is 90, not 100, lowercase is True, not False; set rebuild_vocabulary for a new one" in message


def test_records_are_made_with_the_settings_of_the_form_and_the_vocabulary_that_was_given(
    root: Path, conversations: dict[str, str]
) -> None:
    params = context(vocab_size=90, max_seq_length=32, max_predictions_per_seq=5, dupe_factor=1)
    talk = conversations["2005-12"]
    vocabulary = MonthlyVocabularyOperator(task_id="vocabulary", uri=str(root), corpus=talk, month="2005-12").execute(params)
    task = RecordsOperator(task_id="records", uri=str(root / "records"), corpus=talk, vocabulary=vocabulary)
    manifest = read_manifest(task.execute(params))
    assert [entry.digest for entry in manifest.inputs] == [read_manifest(uri).digest for uri in (talk, vocabulary)]
    settings = {name: manifest.config[name] for name in ("max_seq_length", "max_predictions_per_seq", "dupe_factor")}
    assert settings == {"max_seq_length": 32, "max_predictions_per_seq": 5, "dupe_factor": 1}


def test_training_and_evaluation_are_asked_for_with_the_settings_of_the_form() -> None:
    params = context(steps=20, batch_size=8, training_seed=3, save_every=5)
    task = TrainOperator(task_id="train", uri="model", records="records", vocabulary="vocabulary")
    stage: Any = task.make_stage(params)
    assert (stage.records_uri, stage.vocabulary_uri) == ("records", "vocabulary")
    assert stage.asked == TrainingConfig(steps=20, batch_size=8, seed=3)
    assert stage._checkpoints == CheckpointConfig(save_every=5)
    stage = EvaluateOperator(task_id="evaluate", uri="evaluation", model="model", records="records").make_stage(params)
    assert (stage.model_uri, stage.records_uri, stage.config) == ("model", "records", EvaluationConfig())


@pytest.mark.parametrize(
    ("asked", "previous", "begins"), [(True, "2005-12/model", "2005-12/model"), (True, "", ""), (False, "2005-12/model", "")]
)
def test_training_continues_the_month_before_where_asked_and_there_is_one(asked: bool, previous: str, begins: str) -> None:
    task = TrainOperator(task_id="train", uri="model", records="records", vocabulary="vocabulary", previous=previous)
    stage: Any = task.make_stage(context(continue_training=asked))
    assert stage.asked.init_from == begins


def test_training_without_records_fails_at_once(root: Path) -> None:
    task = TrainOperator(task_id="train", uri=str(root / "model"), records=str(root / "records"), vocabulary=str(root / "none"))
    with pytest.raises(AirflowFailException, match="records does not exist; run the stage that writes it"):
        task.execute(context())
    assert not root.exists()
