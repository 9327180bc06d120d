import math

import keras
import pytest

from threadmill.training.optimizers.schedules import SCHEDULES, WarmupCosineDecay, WarmupLinearDecay

pytestmark = pytest.mark.keras

HALF = math.sqrt(0.5) / 2  # half of the cosine of 45 degrees


def test_linear_rate_rises_to_its_peak_and_falls_to_the_last_step() -> None:
    schedule = WarmupLinearDecay(peak=1.0, warmup_steps=4, steps=10)

    rates = [float(schedule(step)) for step in range(11)]

    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6, 0], rel=1e-6)


def test_cosine_rate_rises_to_its_peak_and_falls_to_the_last_step() -> None:
    schedule = WarmupCosineDecay(peak=2.0, warmup_steps=1, steps=5)

    rates = [float(schedule(step)) for step in range(6)]

    assert rates == pytest.approx([1, 2, 1 + 2 * HALF, 1, 1 - 2 * HALF, 0], rel=1e-6, abs=1e-7)


@pytest.mark.parametrize(
    ("kind", "rates"),
    [("linear", [1, 0.75, 0.5, 0.25]), ("cosine", [1, 0.5 + 0.5 * math.sqrt(0.5), 0.5, 0.5 - 0.5 * math.sqrt(0.5)])],
)
def test_rate_without_warm_up_begins_at_its_peak(kind: str, rates: list[float]) -> None:
    schedule = SCHEDULES[kind](1.0, 0, 4)

    assert [float(schedule(step)) for step in range(4)] == pytest.approx(rates, rel=1e-6)


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_rate_stays_at_nothing_after_the_last_step(kind: str) -> None:
    schedule = SCHEDULES[kind](1.0, 1, 4)

    assert [float(schedule(step)) for step in (4, 5, 100)] == pytest.approx([0, 0, 0], abs=1e-7)


@pytest.mark.parametrize("kind", ["linear", "cosine"])
def test_schedule_is_restored_from_its_config(kind: str) -> None:
    schedule = SCHEDULES[kind](0.5, 3, 9)

    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(schedule))

    assert [float(restored(step)) for step in range(9)] == [float(schedule(step)) for step in range(9)]
