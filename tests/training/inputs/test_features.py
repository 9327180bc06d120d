from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.training.made import (
    TOKENS,
    Columns,
    make_records,
    make_vocabulary,
    masked_roberta,
    with_v2_names,
    without_next_sentence,
)
from threadmill.training.inputs.batches import held_out_batches
from threadmill.training.inputs.records import record_files

pytestmark = pytest.mark.keras


def read(folder: Path, kind: Callable[[Columns], Columns] = dict, suffix: str = "") -> dict[str, list[object]]:
    """One batch of nine records of a kind: inputs and labels by name."""
    vocabulary = make_vocabulary(folder / "vocabulary", TOKENS)
    made = make_records(folder / "records", vocabulary, {f"train-00000-of-00001.tfrecord{suffix}": 9}, kind=kind)
    inputs, labels = next(held_out_batches(record_files(made, "train"), 9, 9))
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
