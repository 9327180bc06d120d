from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.training.made import (
    CLS,
    SEP,
    SEQ,
    TARGET,
    TOKENS,
    Columns,
    causal,
    make_records,
    make_vocabulary,
    masked_roberta,
    seq2seq,
    with_v2_names,
    without_next_sentence,
)
from threadmill.training.inputs.batches import held_out_batches
from threadmill.training.inputs.records import record_files

pytestmark = pytest.mark.keras


def batch(
    folder: Path, kind: Callable[[Columns], Columns] = dict, suffix: str = "", objective: str = "bert"
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The inputs and labels of one batch of nine records of a kind."""
    vocabulary = make_vocabulary(folder / "vocabulary", TOKENS)
    shards = {f"train-00000-of-00001.tfrecord{suffix}": 9}
    made = make_records(folder / "records", vocabulary, shards, kind=kind, objective=objective)
    inputs, labels = next(held_out_batches(record_files(made, "train"), 9, 9))
    return inputs, labels


def read(folder: Path, kind: Callable[[Columns], Columns] = dict, suffix: str = "") -> dict[str, list[object]]:
    """One batch of nine records of a kind: inputs and labels by name."""
    inputs, labels = batch(folder, kind, suffix)
    return {name: values.tolist() for name, values in {**inputs, **labels}.items()}


def test_v2_names_are_read_as_v1s(tmp_path: Path) -> None:
    assert read(tmp_path / "v2", with_v2_names) == read(tmp_path / "v1")


def test_compressed_records_are_read_as_others(tmp_path: Path) -> None:
    assert read(tmp_path / "gzip", suffix=".gz") == read(tmp_path / "plain")


def test_records_without_next_sentence_have_no_label_of_it(tmp_path: Path) -> None:
    whole, found = read(tmp_path / "whole"), read(tmp_path / "one", without_next_sentence)

    assert found == {name: values for name, values in whole.items() if name != "next_sentence_labels"}


def test_roberta_records_with_masks_have_all_but_segments(tmp_path: Path) -> None:
    whole, found = read(tmp_path / "whole"), read(tmp_path / "roberta", masked_roberta)
    shared = ("token_ids", "padding_mask", "mask_positions", "masked_lm_ids", "masked_lm_weights")

    assert {name: found[name] for name in shared} == {name: whole[name] for name in shared}
    assert not np.any(found["segment_ids"])
    assert set(found) == {*shared, "segment_ids"}


def test_pairs_are_read_with_weights_where_a_response_is(tmp_path: Path) -> None:
    inputs, labels = batch(tmp_path, seq2seq, objective="seq2seq")

    assert {name: (values.dtype.name, values.shape) for name, values in {**inputs, **labels}.items()} == {
        "encoder_token_ids": ("int32", (9, SEQ)),
        "encoder_segment_ids": ("int32", (9, SEQ)),
        "decoder_token_ids": ("int32", (9, TARGET)),
        "decoder_segment_ids": ("int32", (9, TARGET)),
        "response_ids": ("int32", (9, TARGET)),
        "response_weights": ("float32", (9, TARGET)),
    }
    assert inputs["decoder_segment_ids"][0].tolist() == [1] * 5 + [2] * 5 + [0] * 2
    assert labels["response_weights"][0].tolist() == [1] * 10 + [0] * 2
    word = inputs["encoder_token_ids"][0, 0]
    assert inputs["decoder_token_ids"][0, :5].tolist() == [CLS, word, word, word, word]
    assert labels["response_ids"][0, :5].tolist() == [word, word, word, word, SEP]


def test_each_token_of_a_document_but_the_last_is_followed_by_its_label(tmp_path: Path) -> None:
    inputs, labels = batch(tmp_path, causal, objective="causal")

    assert {name: (values.dtype.name, values.shape) for name, values in {**inputs, **labels}.items()} == {
        "token_ids": ("int32", (9, SEQ)),
        "segment_ids": ("int32", (9, SEQ)),
        "token_labels": ("int32", (9, SEQ)),
        "token_weights": ("float32", (9, SEQ)),
    }
    assert labels["token_weights"][0].tolist() == [1] * 6 + [0] + [1] * 6 + [0] * 3
    assert labels["token_labels"][0, :6].tolist() == inputs["token_ids"][0, 1:7].tolist()
