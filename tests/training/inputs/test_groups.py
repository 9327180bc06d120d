from itertools import accumulate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill.training.inputs.groups import StepGroups


def ends(groups: StepGroups, start: int = 0) -> list[int]:
    return [start + step for step in accumulate(groups.sizes(start))]


def test_groups_follow_one_another_to_the_last_step() -> None:
    assert list(StepGroups(10, 4).sizes()) == [4, 4, 2]


def test_one_step_a_group_is_the_default() -> None:
    assert list(StepGroups(3).sizes()) == [1, 1, 1]


def test_group_stops_at_each_checkpoint_and_validation() -> None:
    assert ends(StepGroups(20, 4, (6, 9))) == [4, 6, 9, 12, 16, 18, 20]


def test_interval_of_none_asks_for_nothing() -> None:
    assert ends(StepGroups(8, 4, (0,))) == [4, 8]


@pytest.mark.parametrize("start", [10, 11])
def test_finished_run_has_no_groups_left(start: int) -> None:
    assert list(StepGroups(10, 4).sizes(start)) == []


@given(
    steps=st.integers(1, 200),
    size=st.integers(1, 20),
    intervals=st.lists(st.integers(0, 50), max_size=3),
    start=st.integers(0, 199),
)
def test_run_taken_up_anywhere_ends_its_groups_where_the_whole_run_does(
    steps: int, size: int, intervals: list[int], start: int
) -> None:
    groups = StepGroups(steps, size, tuple(intervals))
    whole = ends(groups)

    assert ends(groups, start) == [end for end in whole if end > start]
    assert max(groups.sizes()) <= size
    assert {step for step in range(1, steps + 1) for interval in intervals if interval and step % interval == 0} <= set(whole)
    assert whole[-1] == steps
