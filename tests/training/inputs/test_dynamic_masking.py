"""Masks of 4,000 sequences of 2 to 128 tokens, every tenth of them special ([SEP], 3) after [CLS] (2); P is 16, V 1,000."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from threadmill.errors import ConfigError
from threadmill.training.inputs.dynamic_masking import DynamicMasking
from threadmill.training.inputs.masking import MaskingRules
from threadmill.training.inputs.records import RecordFormat

pytestmark = pytest.mark.keras

Arrays = dict[str, np.ndarray]

ROWS, LENGTH, MASK, FIRST, VOCABULARY, PREDICTIONS = 4000, 128, 4, 5, 1000, 16
RULES = MaskingRules(0.15, MASK, tuple(range(FIRST)))
FORMAT = RecordFormat("roberta", LENGTH, PREDICTIONS, ("input_ids", "input_mask"))
BOTH = pytest.mark.parametrize("way", ["token", "word"])


@pytest.fixture(scope="module")
def masks() -> Arrays:
    """Sequences as they were (``token_ids``, ``padding_mask``), and masked token by token (``token/...``) and by whole words
    (``word/...``), where half of the ordinary tokens go on inside a word."""
    rng = np.random.default_rng(8)
    lengths = rng.integers(2, LENGTH + 1, ROWS)
    tokens = rng.integers(FIRST, VOCABULARY, (ROWS, LENGTH))
    tokens[rng.random((ROWS, LENGTH)) < 0.1] = 3
    padding_mask = np.arange(LENGTH) < lengths[:, None]
    tokens *= padding_mask
    tokens[:, 0] = 2
    inputs = tokens.astype(np.int32), padding_mask.astype(np.int32)
    found = {"token_ids": inputs[0], "padding_mask": inputs[1]}
    words = replace(RULES, whole_words=True, continuations=tuple(range(VOCABULARY // 2, VOCABULARY)))
    for name, rules in (("token", RULES), ("word", words)):
        masking = DynamicMasking(rules, VOCABULARY, FORMAT, seed=5)
        masked = tf.function(masking.mask)(*inputs, masking.draws(ROWS, tf.constant(7, tf.int64)))
        found |= {f"{name}/{feature}": values.numpy() for feature, values in masked.items()}
    return found


def masked_places(masks: Arrays, way: str) -> np.ndarray:
    """bool[n, S]: which places the weights and positions call masked."""
    chosen = np.zeros(masks["token_ids"].shape, np.bool_)
    rows, slots = np.nonzero(masks[f"{way}/masked_lm_weights"])
    chosen[rows, masks[f"{way}/mask_positions"][rows, slots]] = True
    return chosen


def wanted(masks: Arrays) -> np.ndarray:
    """int[n]: Google's count, by Python's own rounding of halves to the even number."""
    lengths = masks["padding_mask"].sum(axis=1).tolist()
    return np.array([min(PREDICTIONS, max(1, round(length * 0.15))) for length in lengths])


def test_as_many_tokens_are_masked_as_in_bert(masks: Arrays) -> None:
    candidates = ((masks["padding_mask"] > 0) & (masks["token_ids"] >= FIRST)).sum(axis=1)

    found = masks["token/masked_lm_weights"].sum(axis=1)

    assert found.tolist() == np.minimum(wanted(masks), candidates).tolist()
    assert {1, PREDICTIONS} <= set(found.tolist())


@BOTH
def test_slots_tell_what_stood_where_in_ascending_order(masks: Arrays, way: str) -> None:
    positions, labels, weights = (masks[f"{way}/{name}"] for name in ("mask_positions", "masked_lm_ids", "masked_lm_weights"))
    filled = weights > 0

    assert set(np.unique(weights)) == {0, 1}
    assert (filled[:, :-1] >= filled[:, 1:]).all()  # padding comes last
    assert (positions[:, 1:] > positions[:, :-1])[filled[:, 1:]].all()
    assert (labels == np.where(filled, np.take_along_axis(masks["token_ids"], positions, 1), 0)).all()
    assert not positions[~filled].any()


@BOTH
def test_special_tokens_and_padding_are_neither_masked_nor_put_in(masks: Arrays, way: str) -> None:
    before, after, chosen = masks["token_ids"], masks[f"{way}/token_ids"], masked_places(masks, way)

    assert before[chosen].min() >= FIRST
    assert after[chosen].min() >= MASK
    assert (after == before)[~chosen].all()


@BOTH
def test_eight_of_ten_become_the_mask_and_one_any_token(masks: Arrays, way: str) -> None:
    chosen = masked_places(masks, way)
    before, after = masks["token_ids"][chosen], masks[f"{way}/token_ids"][chosen]
    changed = after[(after != MASK) & (after != before)]

    # Of about 38,000: three standard deviations are 0.6 and 0.5 points. A random token is the one that stood there by 1 in 995.
    assert np.mean(after == MASK) == pytest.approx(0.8, abs=0.0065)
    assert np.mean(after == before) == pytest.approx(0.1, abs=0.005)
    assert len(changed) / len(after) == pytest.approx(0.1, abs=0.005)
    assert (changed.min(), changed.max()) == (FIRST, VOCABULARY - 1)
    assert len(set(changed.tolist())) > 900  # of 995, drawn 3,800 times: 22 are missing by chance
    assert changed.mean() == pytest.approx((FIRST + VOCABULARY - 1) / 2, abs=20)  # its deviation: 4.7


def test_every_place_is_as_likely(masks: Arrays) -> None:
    long = masks["padding_mask"].sum(axis=1) > 120
    candidates = (masks["token_ids"][long, :120] >= FIRST).sum(axis=0)
    chosen = masked_places(masks, "token")[long, :120].sum(axis=0)
    share = chosen[1:] / candidates[1:]

    assert share.mean() == pytest.approx(0.143, abs=0.005)  # 16 of about 112 candidates
    # Chi-squared of 119 places: its mean is 119, its standard deviation 15.
    expected = candidates[1:] * chosen.sum() / candidates.sum()
    assert ((chosen[1:] - expected) ** 2 / (expected * (1 - share.mean()))).sum() < 119 + 5 * 15


def words_of(masks: Arrays) -> list[list[list[int]]]:
    """The places of each word of each sequence: tokens from 500 on go on inside a word."""
    sequences = []
    for tokens, length in zip(masks["token_ids"].tolist(), masks["padding_mask"].sum(axis=1).tolist(), strict=True):
        words: list[list[int]] = []
        for place in range(length):
            if tokens[place] < FIRST:
                continue
            if tokens[place] >= VOCABULARY // 2 and tokens[place - 1] >= FIRST:
                words[-1].append(place)
            else:
                words.append([place])
        sequences.append(words)
    return sequences


def test_words_are_masked_whole_and_as_many_as_fit(masks: Arrays) -> None:
    chosen, most, left_out = masked_places(masks, "word"), wanted(masks), 0
    for row, words in enumerate(words_of(masks)):
        parts = [set(chosen[row, word].tolist()) for word in words]
        assert all(len(part) == 1 for part in parts)
        left = most[row] - chosen[row].sum()
        assert left >= 0
        left_out += sum(True not in part for part in parts)
        # A word is passed over only where it has more tokens than are left.
        assert all(len(word) > left for word, part in zip(words, parts, strict=True) if True not in part)
    assert left_out > 1000


def test_words_are_taken_in_a_random_order(masks: Arrays) -> None:
    """Short words fit more often; but of one length, the first half of a sequence is as likely as the second."""
    chosen, counts = masked_places(masks, "word"), np.zeros((2, 2))
    for row, words in enumerate(words_of(masks)):
        for word in (word for word in words if len(word) == 2):
            counts[int(word[0] >= words[len(words) // 2][0]), int(chosen[row, word[0]])] += 1
    shares = counts[:, 1] / counts.sum(axis=1)

    assert counts.min() > 1000
    assert shares[0] == pytest.approx(shares[1], abs=0.015)


def test_records_that_hold_masks_are_refused() -> None:
    masked = replace(FORMAT, features=(*FORMAT.features, "masked_lm_positions"))

    with pytest.raises(ConfigError, match=r"dynamic masking is for records without masks, .*make records without static masks"):
        DynamicMasking(RULES, VOCABULARY, masked, seed=1)
