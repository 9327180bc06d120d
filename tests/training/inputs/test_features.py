from typing import Any

import pytest


def test_v2_names_are_read_as_v1s(tensorflow_facts: dict[str, Any]) -> None:
    assert tensorflow_facts["formats"]["v2"] == tensorflow_facts["formats"]["v1"]


def test_compressed_records_are_read_as_others(tensorflow_facts: dict[str, Any]) -> None:
    assert tensorflow_facts["formats"]["gzip"] == tensorflow_facts["formats"]["v1"]


def test_records_without_next_sentence_have_no_label_of_it(tensorflow_facts: dict[str, Any]) -> None:
    whole, found = tensorflow_facts["formats"]["v1"], tensorflow_facts["formats"]["one segment"]

    assert found == {name: values for name, values in whole.items() if name != "next_sentence_labels"}


@pytest.mark.parametrize("name", ["token_ids", "padding_mask", "mask_positions", "masked_lm_ids", "masked_lm_weights"])
def test_roberta_records_with_masks_have_all_but_segments(tensorflow_facts: dict[str, Any], name: str) -> None:
    whole, found = tensorflow_facts["formats"]["v1"], tensorflow_facts["formats"]["static"]

    assert found[name] == whole[name]
    assert {number for row in found["segment_ids"] for number in row} == {0}
    assert len(found) == 6
