from collections import Counter
from typing import Any

from tests.training.made import RECORDS

BATCH = 4


def sequences(batches: list[Any]) -> list[tuple[int, ...]]:
    return [tuple(tokens) for batch in batches for tokens in batch]


def test_each_epoch_holds_every_record_once_in_an_order_of_its_own(tensorflow_facts: dict[str, Any]) -> None:
    found = sequences(tensorflow_facts["input"]["order"])
    records = sum(RECORDS.values())  # 23: the sixth batch holds the end of one epoch and the beginning of the next
    first, second = found[:records], found[records : 2 * records]

    assert len(set(first)) > records / 2
    assert Counter(first) == Counter(second)
    assert first != second


def test_order_depends_on_the_seed_alone(tensorflow_facts: dict[str, Any]) -> None:
    facts = tensorflow_facts["input"]

    assert facts["order"] == facts["order with another global seed"]
    assert facts["order"] != facts["order of another seed"]


def test_order_is_taken_up_at_any_batch(tensorflow_facts: dict[str, Any]) -> None:
    facts = tensorflow_facts["input"]

    assert facts["order from batch 5"] == facts["order"][5:]  # in the first epoch
    assert facts["order from batch 8"] == facts["order"][8:]  # in the second


def test_held_out_records_come_once_up_to_a_limit(tensorflow_facts: dict[str, Any]) -> None:
    batches = tensorflow_facts["input"]["held out"]

    assert [len(batch) for batch in batches] == [BATCH, BATCH, 2]


def test_batches_have_the_shapes_of_the_records(tensorflow_facts: dict[str, Any]) -> None:
    assert tensorflow_facts["input"]["shapes"] == {
        "token_ids": ["int32", BATCH, 16],
        "segment_ids": ["int32", BATCH, 16],
        "padding_mask": ["int32", BATCH, 16],
        "mask_positions": ["int32", BATCH, 3],
        "masked_lm_ids": ["int32", BATCH, 3],
        "masked_lm_weights": ["float32", BATCH, 3],
        "next_sentence_labels": ["int32", BATCH],
    }


def test_damaged_record_is_named_with_its_file_and_place(tensorflow_facts: dict[str, Any]) -> None:
    told = tensorflow_facts["damaged"]["damaged"]

    assert told.startswith("IntegrityError: ")
    assert "train-00000-of-00003.tfrecord: record 1 at byte " in told


def test_records_of_another_shape_than_told_are_refused(tensorflow_facts: dict[str, Any]) -> None:
    told = tensorflow_facts["damaged"]["other shape"]

    assert told.startswith("IntegrityError: a record in ")
    assert "manifest tells (Key: " in told
    assert "Values size: 16 but output shape: [17]" in told


def test_shard_that_vanishes_is_named(tensorflow_facts: dict[str, Any]) -> None:
    told = tensorflow_facts["damaged"]["gone"]

    assert told.startswith("InputError: a shard of records is gone (")
    assert "train-00001-of-00003.tfrecord" in told
