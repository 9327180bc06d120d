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
    assert facts["order from batch 65"] == facts["later order"]  # in the twelfth; the first 64 are parsed together


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


def test_masks_of_a_batch_are_the_same_wherever_reading_begins(tensorflow_facts: dict[str, Any]) -> None:
    facts = tensorflow_facts["dynamic"]

    assert facts["again"] == facts["batches"]
    assert facts["from batch 5"] == facts["batches"][5:]
    assert facts["from batch 8"] == facts["batches"][8:]
    assert facts["from batch 65"] == facts["later"]  # the first 64 are masked together
    assert facts["another seed"] != facts["batches"]


def test_each_epoch_masks_its_records_otherwise(tensorflow_facts: dict[str, Any]) -> None:
    """A sequence of 23 is known by the words that it repeats; its masks of the two epochs are compared."""
    rows = [row for batch in tensorflow_facts["dynamic"]["batches"] for row in zip(*masks_and_words(batch), strict=True)]
    records = sum(RECORDS.values())
    first, second = rows[:records], rows[records : 2 * records]

    assert Counter(words for _, words in first) == Counter(words for _, words in second)
    same = sum((Counter(first) & Counter(second)).values())
    assert same < records / 2  # 2 of 12 places are masked: one mask in 66 is drawn again


def masks_and_words(batch: dict[str, Any]) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    positions = [tuple(row) for row in batch["mask_positions"]]
    words = []
    for tokens, places, labels in zip(batch["token_ids"], batch["mask_positions"], batch["masked_lm_ids"], strict=True):
        whole = list(tokens)
        for place, label in zip(places[:2], labels[:2], strict=True):  # 15 tokens: 2 are masked, and the third slot is padding
            whole[place] = label
        words.append(tuple(whole))
    return positions, words


def test_held_out_masks_are_the_same_whatever_the_batch_size(tensorflow_facts: dict[str, Any]) -> None:
    facts = tensorflow_facts["dynamic"]

    assert len(facts["held out by 23"]) == 23
    assert facts["held out by 4"] == facts["held out by 23"]
    assert facts["the first 10"] == facts["held out by 23"][:10]


def test_all_tokens_but_special_ones_are_counted_where_any_can_be_masked(tensorflow_facts: dict[str, Any]) -> None:
    counts = tensorflow_facts["dynamic"]["counts"]

    assert counts[:5] == [0] * 5
    assert sum(counts) == 12 * sum(RECORDS.values())


def test_records_without_masks_want_rules(tensorflow_facts: dict[str, Any]) -> None:
    told = tensorflow_facts["dynamic"]["without rules"]

    assert told.startswith("ConfigError: the records in ")
    assert "hold no masks" in told
