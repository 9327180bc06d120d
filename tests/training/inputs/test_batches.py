from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.training.made import FIRST, MASK, RECORDS, SEQ, TOKENS, make_records, make_vocabulary, roberta
from threadmill.errors import ConfigError, InputError, IntegrityError
from threadmill.training.inputs.batches import (
    count_split,
    held_out_batches,
    held_out_masking,
    stacked_batches,
    training_batches,
)
from threadmill.training.inputs.dynamic_masking import DynamicMasking
from threadmill.training.inputs.groups import StepGroups
from threadmill.training.inputs.masking import MaskingRules
from threadmill.training.inputs.records import RecordFiles, record_files

pytestmark = pytest.mark.keras

BATCH = 4
EPOCH = sum(RECORDS.values())  # 23: the sixth batch holds the end of one epoch and the beginning of the next

# Rules for the records of `roberta`.
RULES = MaskingRules(0.15, MASK, tuple(range(FIRST)))

Batches = list[dict[str, Any]]


def made(folder: Path) -> RecordFiles:
    return record_files(make_records(folder / "records", make_vocabulary(folder / "vocabulary", TOKENS), RECORDS), "train")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> RecordFiles:
    return made(tmp_path_factory.mktemp("static"))


@pytest.fixture(scope="module")
def unmasked(tmp_path_factory: pytest.TempPathFactory) -> RecordFiles:
    """Records for dynamic masking."""
    folder = tmp_path_factory.mktemp("unmasked")
    vocabulary = make_vocabulary(folder / "vocabulary", TOKENS)
    return record_files(make_records(folder / "records", vocabulary, RECORDS, kind=roberta, objective="roberta"), "train")


def lists(batches: Iterator[Any]) -> Batches:
    """The batches as lists of numbers, which can be compared."""
    return [{name: value.tolist() for name, value in {**inputs, **labels}.items()} for inputs, labels in batches]


def taken(records: RecordFiles, batches: int, seed: int = 1, start: int = 0) -> Batches:
    return lists(islice(training_batches(records, BATCH, seed, start), batches))


def sequences(batches: Batches) -> list[tuple[int, ...]]:
    return [tuple(tokens) for batch in batches for tokens in batch["token_ids"]]


def test_each_epoch_holds_every_record_once_in_an_order_of_its_own(records: RecordFiles) -> None:
    found = sequences(taken(records, 12))
    first, second = found[:EPOCH], found[EPOCH : 2 * EPOCH]

    assert len(set(first)) > EPOCH / 2
    assert Counter(first) == Counter(second)
    assert first != second


def test_order_depends_on_the_seed_alone(records: RecordFiles) -> None:
    keras.utils.set_random_seed(7)
    order = taken(records, 12)
    keras.utils.set_random_seed(0)

    assert taken(records, 12) == order
    assert taken(records, 12, seed=2) != order


@pytest.mark.parametrize("start", [5, 8, 65])  # in the first epoch, the second, and the twelfth; 64 are parsed together
def test_order_is_taken_up_at_any_batch(records: RecordFiles, start: int) -> None:
    assert taken(records, 3, start=start) == taken(records, start + 3)[start:]


def test_held_out_records_come_once_up_to_a_limit(records: RecordFiles) -> None:
    batches = lists(held_out_batches(records, BATCH, 10))

    assert [len(batch["token_ids"]) for batch in batches] == [BATCH, BATCH, 2]


def test_batches_have_the_shapes_of_the_records(records: RecordFiles) -> None:
    inputs, labels = next(training_batches(records, BATCH, 1))

    assert {name: [value.dtype.name, *value.shape] for name, value in {**inputs, **labels}.items()} == {
        "token_ids": ["int32", BATCH, 16],
        "segment_ids": ["int32", BATCH, 16],
        "padding_mask": ["int32", BATCH, 16],
        "mask_positions": ["int32", BATCH, 3],
        "masked_lm_ids": ["int32", BATCH, 3],
        "masked_lm_weights": ["float32", BATCH, 3],
        "next_sentence_labels": ["int32", BATCH],
    }


def test_batches_of_a_group_are_stacked_in_their_order(records: RecordFiles) -> None:
    groups = list(stacked_batches(records, BATCH, 1, StepGroups(7, 3, (5,))))
    parts = [
        ({name: values[step] for name, values in inputs.items()}, {name: values[step] for name, values in labels.items()})
        for inputs, labels in groups
        for step in range(len(inputs["token_ids"]))
    ]

    assert [inputs["token_ids"].shape for inputs, _ in groups] == [(size, BATCH, SEQ) for size in (3, 2, 2)]
    assert lists(iter(parts)) == taken(records, 7)


def test_stacked_batches_are_taken_up_at_any_group(records: RecordFiles) -> None:
    whole, rest = (lists(stacked_batches(records, BATCH, 1, StepGroups(9, 3, (5,)), start)) for start in (0, 5))

    assert len(whole) == 4
    assert rest == whole[2:]


def test_batch_of_a_group_of_one_is_not_copied(records: RecordFiles) -> None:
    inputs, _ = next(stacked_batches(records, BATCH, 1, StepGroups(1)))
    tokens = inputs["token_ids"]

    assert isinstance(tokens, np.ndarray)
    assert tokens.shape == (1, BATCH, SEQ)
    assert not tokens.flags.writeable  # TensorFlow's own memory
    assert not tokens.flags.owndata


def test_damaged_record_is_named_with_its_file_and_place(tmp_path: Path) -> None:
    records = made(tmp_path)
    path = Path(records.files[0])
    content = path.read_bytes()
    path.write_bytes(content[:300] + b"x" + content[301:])

    with pytest.raises(IntegrityError, match=r"train-00000-of-00003\.tfrecord: record 1 at byte "):
        list(held_out_batches(records, BATCH, 10))
    with pytest.raises(IntegrityError, match=r"train-00000-of-00003\.tfrecord: record 1 at byte "):
        list(stacked_batches(records, BATCH, 1, StepGroups(10, 5)))


def test_records_of_another_shape_than_told_are_refused(records: RecordFiles) -> None:
    longer = replace(records, format=replace(records.format, max_seq_length=SEQ + 1))

    with pytest.raises(IntegrityError) as raised:
        list(held_out_batches(longer, BATCH, 10))

    told = str(raised.value)
    assert told.startswith("a record in ")
    assert "manifest tells (Key: " in told
    assert "Values size: 16 but output shape: [17]" in told


def test_shard_that_vanishes_is_named(tmp_path: Path) -> None:
    records = made(tmp_path)
    Path(records.files[1]).unlink()

    with pytest.raises(InputError, match=r"a shard of records is gone \(.*train-00001-of-00003\.tfrecord"):
        list(training_batches(records, BATCH, 1))


def masked(records: RecordFiles, batches: int, seed: int = 1, start: int = 0) -> Batches:
    masking = DynamicMasking(RULES, TOKENS, records.format, seed)
    return lists(islice(training_batches(records, BATCH, 1, start, masking), batches))


@pytest.mark.parametrize("start", [0, 5, 8, 65])  # the first 64 are masked together
def test_masks_of_a_batch_are_the_same_wherever_reading_begins(unmasked: RecordFiles, start: int) -> None:
    assert masked(unmasked, 3, start=start) == masked(unmasked, start + 3)[start:]


def test_another_seed_masks_otherwise(unmasked: RecordFiles) -> None:
    assert masked(unmasked, 3, seed=2) != masked(unmasked, 3)


def test_each_epoch_masks_its_records_otherwise(unmasked: RecordFiles) -> None:
    """A sequence of 23 is known by the words that it repeats; its masks of the two epochs are compared."""
    rows = [row for batch in masked(unmasked, 12) for row in zip(*masks_and_words(batch), strict=True)]
    first, second = rows[:EPOCH], rows[EPOCH : 2 * EPOCH]

    assert Counter(words for _, words in first) == Counter(words for _, words in second)
    same = sum((Counter(first) & Counter(second)).values())
    assert same < EPOCH / 2  # 2 of 12 places are masked: one mask in 66 is drawn again


def masks_and_words(batch: dict[str, Any]) -> tuple[list[tuple[int, ...]], list[tuple[int, ...]]]:
    positions = [tuple(row) for row in batch["mask_positions"]]
    words = []
    for tokens, places, labels in zip(batch["token_ids"], batch["mask_positions"], batch["masked_lm_ids"], strict=True):
        whole = list(tokens)
        for place, label in zip(places[:2], labels[:2], strict=True):  # 15 tokens: 2 are masked, and the third slot is padding
            whole[place] = label
        words.append(tuple(whole))
    return positions, words


def test_held_out_masks_are_the_same_whatever_the_batch_size(unmasked: RecordFiles) -> None:
    def held_out(batch_size: int, limit: int) -> list[tuple[int, ...]]:
        masking = held_out_masking(RULES, TOKENS, unmasked)
        return sequences(lists(held_out_batches(unmasked, batch_size, limit, masking)))

    whole = held_out(EPOCH, EPOCH)

    assert len(whole) == EPOCH
    assert held_out(BATCH, EPOCH) == whole
    assert held_out(BATCH, 10) == whole[:10]


def test_masked_tokens_are_counted_where_masks_are_static(records: RecordFiles) -> None:
    counts = count_split(records, TOKENS)

    assert counts.sum() == 2 * EPOCH
    assert counts[:FIRST].tolist() == [0] * FIRST
    assert count_split(records, TOKENS, limit=5).sum() == 2 * 5


def test_all_tokens_but_special_ones_are_counted_where_any_can_be_masked(unmasked: RecordFiles) -> None:
    counts = count_split(unmasked, TOKENS, special_ids=RULES.special_ids)

    assert counts[:FIRST].tolist() == [0] * FIRST
    assert counts.sum() == 12 * EPOCH


def test_records_without_masks_want_rules(unmasked: RecordFiles) -> None:
    with pytest.raises(ConfigError, match=r"the records in .* hold no masks"):
        next(training_batches(unmasked, BATCH, 1))
