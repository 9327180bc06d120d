import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill.conversations.drift import Change, chance_variation, length_changes, total_variation
from threadmill.conversations.statistics import ConversationStatistics, Distribution

counts = st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 50), min_size=1)


def test_a_distance_is_the_part_that_would_have_to_move() -> None:
    assert total_variation({"a": 1, "b": 1}, {"a": 20, "b": 20}) == 0
    assert total_variation({"a": 3, "b": 1}, {"a": 1, "b": 3}) == 0.5
    assert total_variation({"a": 3}, {"b": 9}) == 1
    assert math.isnan(total_variation({}, {"b": 9}))


@given(counts, counts)
def test_a_distance_is_symmetric_and_between_0_and_1(first: dict[str, int], second: dict[str, int]) -> None:
    distance = total_variation(first, second)
    assert 0 <= distance <= 1 + 1e-9
    assert distance == pytest.approx(total_variation(second, first))


def test_chance_is_about_what_samples_of_one_distribution_differ_by() -> None:
    draw = np.random.default_rng(5)
    shares = draw.dirichlet(np.full(2000, 0.3))
    found, told = [], []
    for _ in range(20):
        first, second = (Counter(draw.choice(2000, size, p=shares).tolist()) for size in (1000, 3000))
        one, other = ({str(name): count for name, count in sample.items()} for sample in (first, second))
        found.append(total_variation(one, other))
        told.append(chance_variation(one, other))
    assert np.mean(told) == pytest.approx(np.mean(found), rel=0.03)


def test_changes_are_parts_of_the_number_before() -> None:
    assert Change("turns", 4, 5).relative == 0.25
    assert Change("turns", 0, 5).relative == math.inf
    assert Change("turns", 0, 0).relative == 0


def test_lengths_change_by_mean_median_and_95th_percentile() -> None:
    def of(lengths: list[int]) -> ConversationStatistics:
        same = Distribution({2: len(lengths)})
        return ConversationStatistics(len(lengths), same, Distribution(Counter(lengths)), same, {})

    changes = {change.name: (change.before, change.now) for change in length_changes(of([10] * 20), of([10] * 18 + [40, 90]))}
    assert changes["response characters, mean"] == (10, 15.5)
    assert changes["response characters, median"] == (10, 10)
    assert changes["response characters, 95th percentile"] == (10, 40)
    assert changes["turns, mean"] == (2, 2)
