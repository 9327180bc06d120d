from pathlib import Path

import pytest

from tests.training.runs.made_events import read_curves
from threadmill.training.runs.summaries import Summaries

pytestmark = pytest.mark.keras


def test_curves_of_a_resumed_run_have_each_step_once(tmp_path: Path) -> None:
    killed = Summaries(str(tmp_path))
    for step in range(1, 8):
        killed.scalars({"loss": 10.0 - step, "learning_rate": 0.5}, step)
    killed.flush()
    resumed = Summaries(str(tmp_path), start=4)
    for step in range(5, 10):
        resumed.scalars({"loss": 10.0 - step}, step)
    resumed.flush()

    curves = read_curves(tmp_path)
    assert curves["loss"] == [(step, 10.0 - step) for step in range(1, 10)]
    assert curves["learning_rate"] == [(step, 0.5) for step in range(1, 5)]


def test_curves_are_there_while_the_run_goes_on(tmp_path: Path) -> None:
    summaries = Summaries(str(tmp_path / "tensorboard"))
    summaries.scalars({"loss": 1.5}, 1)
    summaries.flush()

    assert read_curves(tmp_path / "tensorboard") == {"loss": [(1, 1.5)]}
