import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill.training.runs.trend import WINDOW, LossTrend


def taken(losses: list[float]) -> LossTrend:
    trend = LossTrend()
    for loss in losses:
        trend.add(loss)
    return trend


def test_nothing_has_risen_before_there_are_two_means() -> None:
    trend = taken([9.0] * (WINDOW - 1))

    assert (trend.rise, trend.lowest, trend.lowest_step) == (0.0, math.inf, 0)


def test_rise_is_above_the_lowest_mean_before() -> None:
    trend = taken([6.0] * 150 + [3.0] * 100 + [5.0] * 50)

    assert (trend.lowest, trend.lowest_step) == (3.0, 250)
    assert trend.mean == 4.0
    assert trend.rise == 1.0


def test_one_high_loss_is_no_rise() -> None:
    assert taken([3.0] * 150 + [50.0]).rise < 0.5


def test_calm_step_is_before_the_rise_within_a_hundred_steps_too() -> None:
    assert taken([6.0] * 150 + [3.0] * 100 + [5.0] * 50).calm_step == 250
    trend = taken([4.0] * 30 + [float(step) for step in range(5, 105)])
    assert trend.lowest_step == 100
    assert trend.calm_step == 30
    assert trend.recent_rise > 90


def test_recent_rise_is_told_before_there_are_a_hundred_steps() -> None:
    trend = taken([4.0] * 20 + [7.0] * 20)

    assert (trend.recent_rise, trend.calm_step) == (3.0, 20)
    assert taken([4.0] * 9).recent_rise == 0


@given(st.lists(st.floats(0, 20, width=32), max_size=350), st.integers(0, 350))
def test_run_that_goes_on_from_its_log_sees_the_same(losses: list[float], cut: int) -> None:
    undisturbed, resumed = taken(losses), LossTrend(losses[:cut])
    for loss in losses[cut:]:
        resumed.add(loss)

    assert resumed.lowest == pytest.approx(undisturbed.lowest)
    assert resumed.rise == pytest.approx(undisturbed.rise, abs=1e-9)
    assert resumed.recent_rise == pytest.approx(undisturbed.recent_rise, abs=1e-4)
    if len(losses) >= WINDOW:
        means = np.convolve(losses, np.ones(WINDOW) / WINDOW, "valid")
        assert resumed.lowest == pytest.approx(means.min(), abs=1e-6)
        assert means[resumed.lowest_step - WINDOW] == pytest.approx(means.min(), abs=1e-6)
