import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pretraining.classic import masked_places, replacement
from threadmill.pretraining.masking import mask_tokens

PAD, UNK, CLS, SEP, MASK = range(5)
SIZE, ENTRIES = 64, 200
ORDINARY = np.arange(5, ENTRIES, dtype=np.int32)
CONTINUES = np.arange(ENTRIES) >= 140  # tokens from 140 on go on with the word before


def masked(lines, predictions=20, probability=0.15, seed=0, inside=None, max_ngram_size=1, size=SIZE):
    """The rows (ids, positions, labels, weights) of lines of tokens after masking, and how many tokens were masked."""
    values = np.zeros((len(lines), size + 3 * predictions), np.int32)
    for row, line in enumerate(lines):
        values[row, : len(line)] = line
    keys = np.random.default_rng(seed).integers(0, 2**64, len(lines), np.uint64)
    columns = size + np.array([-size, 0, predictions, 2 * predictions])
    total = mask_tokens(
        *(keys, np.array([len(line) for line in lines]), size, predictions, columns, probability),
        *(np.array([CLS, SEP], np.int32), MASK, ORDINARY, np.zeros(ENTRIES, np.bool_) if inside is None else inside),
        *(max_ngram_size, values),
    )
    bounds = [size, size + predictions, size + 2 * predictions]
    return [
        (ids.tolist(), positions.tolist(), labels.tolist(), weights.view(np.float32).tolist())
        for ids, positions, labels, weights in (np.split(row, bounds) for row in values)
    ], total


def places_of(row):
    return [place for place, weight in zip(row[1], row[3], strict=True) if weight]


def words_of(line, inside):
    """The places of each word of a line, in order; no word goes over a special token."""
    words, is_open = [], False
    for place, token in enumerate(line):
        if token in (CLS, SEP):
            is_open = False
        elif is_open and inside[token]:
            words[-1].append(place)
        else:
            words.append([place])
            is_open = True
    return words


TEXT = st.lists(st.integers(5, ENTRIES - 1), min_size=1, max_size=28)
LINES = st.lists(st.tuples(TEXT, TEXT).map(lambda sides: [CLS, *sides[0], SEP, *sides[1], SEP]), min_size=1, max_size=4)


@given(LINES, st.integers(1, 64), st.floats(0.01, 1), st.integers(0, 2**32))
def test_every_masked_line_is_well_formed(lines, predictions, probability, seed):
    rows, total = masked(lines, predictions, probability, seed)
    for line, (ids, positions, labels, weights) in zip(lines, rows, strict=True):
        count = int(sum(weights))
        total -= count
        assert count == min(predictions, len(line) - 3, max(1, round(len(line) * probability)))
        assert weights == [1.0] * count + [0.0] * (predictions - count)
        places = positions[:count]
        assert places == sorted(set(places))
        assert labels[:count] == [line[place] for place in places]
        assert all(label >= 5 for label in labels[:count])
        assert all(ids[place] == MASK or ids[place] >= 5 for place in places)
        assert set(positions[count:]) | set(labels[count:]) <= {0}
        expected = line + [PAD] * (SIZE - len(line))
        assert all(ids[place] == token for place, token in enumerate(expected) if place not in places)
    assert total == 0


@given(LINES, st.integers(1, 20), st.integers(1, 4), st.integers(0, 2**32))
def test_whole_words_are_masked_or_left_and_the_count_is_never_passed(lines, predictions, max_ngram_size, seed):
    rows, _ = masked(lines, predictions, 0.3, seed, CONTINUES, max_ngram_size)
    for line, row in zip(lines, rows, strict=True):
        places = set(places_of(row))
        assert len(places) <= min(predictions, max(1, round(len(line) * 0.3)))
        for word in words_of(line, CONTINUES):
            assert places >= set(word) or not places & set(word)


def test_without_words_of_several_tokens_whole_word_masking_is_the_same_as_by_tokens():
    lines = [[CLS, *range(5, 60), SEP] for _ in range(50)]
    assert masked(lines, inside=CONTINUES) == masked(lines)


def test_the_count_of_masked_tokens_rounds_halves_to_the_even_number():
    # 10 x .15 = 1.5 becomes 2; 30 x .15 = 4.5 becomes 4.
    for length, expected in ((10, 2), (30, 4)):
        rows, _ = masked([[CLS, *[7] * (length - 2), SEP]])
        assert len(places_of(rows[0])) == expected


def test_of_masked_tokens_eighty_become_mask_ten_stay_and_ten_become_any_ordinary_token():
    """Tolerance .01 each, and a chi-square of the random ones over all ordinary tokens below its .999 quantile."""
    lines = [[CLS, *[9] * 62, SEP] for _ in range(3000)]
    kinds, others = Counter(), np.zeros(ENTRIES)
    for row in masked(lines)[0]:
        for place in places_of(row):
            seen = row[0][place]
            kinds["mask" if seen == MASK else "same" if seen == 9 else "other"] += 1
            others[seen] += seen not in (MASK, 9)
    total = kinds.total()
    assert kinds["mask"] / total == pytest.approx(0.8, abs=0.01)
    assert kinds["same"] / total == pytest.approx(0.1 + 0.1 / 195, abs=0.01)
    assert kinds["other"] / total == pytest.approx(0.1, abs=0.01)
    assert others[:5].sum() == 0
    drawn = np.delete(others[5:], 4)
    assert ((drawn - drawn.mean()) ** 2 / drawn.mean()).sum() < 260


def test_masks_fall_evenly_over_all_places():
    """No place is masked 15 % more or less often than the average one."""
    counts = np.zeros(SIZE)
    for row in masked([[CLS, *range(5, 67), SEP]] * 4000)[0]:
        counts[places_of(row)] += 1
    assert counts[0] == counts[63] == 0
    assert np.abs(counts[1:63] / counts[1:63].mean() - 1).max() < 0.15


@pytest.mark.parametrize("inside", [np.zeros(ENTRIES, np.bool_), CONTINUES])
@pytest.mark.parametrize("max_ngram_size", [1, 3])
def test_masks_are_distributed_as_the_original_draws_them(inside, max_ngram_size):
    """Tolerances: 1 % of masked tokens, .02 for the share of each length of masked run, .01 for the kinds of replacement."""
    rng = random.Random(0)
    lines = [[CLS, *rng.choices(range(5, ENTRIES), k=40), SEP] for _ in range(6000)]
    ours, theirs = [], []
    rows, _ = masked(lines, inside=inside, max_ngram_size=max_ngram_size)
    for line, row in zip(lines, rows, strict=True):
        ours.append((places_of(row), [row[0][place] for place in places_of(row)]))
        places = masked_places(words_of(line, inside), len(line), 20, 0.15, rng, max_ngram_size)
        theirs.append((places, [replacement(line[place], MASK, ORDINARY.tolist(), rng) for place in places]))
    counts = [sum(len(places) for places, _ in drawn) for drawn in (ours, theirs)]
    assert counts[0] == pytest.approx(counts[1], rel=0.01)
    shares = [run_shares(drawn) for drawn in (ours, theirs)]
    for length in range(1, 7):
        assert shares[0][length] == pytest.approx(shares[1][length], abs=0.02)
    became_mask = [
        sum(seen.count(MASK) for _, seen in drawn) / count for drawn, count in zip((ours, theirs), counts, strict=True)
    ]
    assert became_mask[0] == pytest.approx(became_mask[1], abs=0.01)


def run_shares(drawn):
    """Length -> the share of runs of neighbouring masked places that are so long."""
    runs = Counter()
    for places, _ in drawn:
        breaks = np.flatnonzero(np.diff(places, prepend=-9) != 1)
        runs.update(np.diff(np.append(breaks, len(places))).tolist())
    return Counter({length: count / runs.total() for length, count in runs.items()})
