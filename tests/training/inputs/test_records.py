from pathlib import Path

import pytest

from tests.training.made import PREDICTIONS, SEQ, TARGET, causal, make_records, make_vocabulary, seq2seq
from threadmill.errors import InputError
from threadmill.training.config import EvaluationConfig
from threadmill.training.inputs.records import held_out_split, open_records, record_files, record_format
from threadmill.training.stage import TrainingStage, run_training

TRAIN, VALIDATION, TEST = (f"{split}-00000-of-00001.tfrecord" for split in ("train", "validation", "test"))


def test_records_of_another_vocabulary_are_refused_by_name(tmp_path: Path) -> None:
    theirs, other = make_vocabulary(tmp_path / "theirs", 20), make_vocabulary(tmp_path / "other", 21)
    records = make_records(tmp_path / "records", theirs, {TRAIN: 4})

    with pytest.raises(InputError, match=f"not made with the vocabulary of {other.uri} .* but from theirs"):
        run_training(records.uri, other.uri, str(tmp_path / "model"))

    assert not (tmp_path / "model" / "manifest.json").exists()


def test_missing_and_cut_shards_are_named(tmp_path: Path) -> None:
    vocabulary = make_vocabulary(tmp_path / "vocabulary", 20)
    records = make_records(tmp_path / "records", vocabulary, {TRAIN: 4, VALIDATION: 2})
    (tmp_path / "records" / TRAIN).unlink()
    (tmp_path / "records" / VALIDATION).write_bytes(b"cut")

    with pytest.raises(InputError, match=f"{TRAIN} is missing; run the stage"):
        TrainingStage(records.uri, vocabulary.uri).plan()
    with pytest.raises(InputError, match=f"{VALIDATION} has 3 bytes instead of"):
        record_files(records, "validation")


def test_records_without_a_train_split_are_refused(tmp_path: Path) -> None:
    vocabulary = make_vocabulary(tmp_path / "vocabulary", 20)
    records = make_records(tmp_path / "records", vocabulary, {TRAIN: 0, TEST: 2})

    with pytest.raises(InputError, match=r"no records in the split train \(its splits: train, test\)"):
        TrainingStage(records.uri, vocabulary.uri).plan()


def test_held_out_split_is_validation_or_else_test(tmp_path: Path) -> None:
    vocabulary = make_vocabulary(tmp_path / "vocabulary", 20)
    both = make_records(tmp_path / "both", vocabulary, {TRAIN: 1, VALIDATION: 1, TEST: 1})
    one = make_records(tmp_path / "one", vocabulary, {TRAIN: 1, VALIDATION: 0, TEST: 1})
    none = make_records(tmp_path / "none", vocabulary, {TRAIN: 1})

    assert [held_out_split(records, EvaluationConfig().split) for records in (both, one)] == ["validation", "test"]
    assert held_out_split(both, "test") == "test"
    with pytest.raises(InputError, match="no records in a validation or test split"):
        held_out_split(none, "")


def test_other_datasets_are_refused(tmp_path: Path) -> None:
    vocabulary = make_vocabulary(tmp_path / "vocabulary", 20)

    with pytest.raises(InputError, match="a dataset of the stage vocabulary, not of records"):
        open_records(vocabulary.uri)


def test_lengths_are_those_that_an_objective_has(tmp_path: Path) -> None:
    vocabulary = make_vocabulary(tmp_path / "vocabulary", 20)
    pairs = make_records(tmp_path / "pairs", vocabulary, {TRAIN: 1}, kind=seq2seq, objective="seq2seq")
    documents = make_records(tmp_path / "documents", vocabulary, {TRAIN: 1}, kind=causal, objective="causal")
    masked = make_records(tmp_path / "masked", vocabulary, {TRAIN: 1})
    forms = [record_format(open_records(records.uri)) for records in (pairs, documents, masked)]

    assert [form.max_seq_length for form in forms] == [SEQ] * 3
    assert [form.max_target_length for form in forms] == [TARGET, 0, 0]
    assert [form.max_predictions_per_seq for form in forms] == [0, 0, PREDICTIONS]
    assert [form.masked for form in forms] == [False, False, True]


def test_records_of_an_unknown_objective_are_refused_with_those_known(tmp_path: Path) -> None:
    vocabulary = make_vocabulary(tmp_path / "vocabulary", 20)
    other = make_records(tmp_path / "other", vocabulary, {TRAIN: 1}, objective="t5")

    with pytest.raises(InputError, match=r"made for the objective t5, .* one of bert, roberta, seq2seq, causal"):
        open_records(other.uri)
