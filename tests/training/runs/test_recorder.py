from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.training.runs.made_events import read_curves
from threadmill.errors import DivergenceError
from threadmill.training.config import TrainingConfig
from threadmill.training.runs.losses import GRADIENT_NORM, LOSS, LossLog
from threadmill.training.runs.recorder import Recorder
from threadmill.training.runs.status import StatusFile, read_status
from threadmill.training.runs.summaries import Summaries
from threadmill.training.runs.utilisation import Cost

pytestmark = pytest.mark.keras

TWO_PARTS = (LOSS, "masked_lm_loss", "next_sentence_loss", GRADIENT_NORM)
ONE = (LOSS, GRADIENT_NORM)


class Run:
    """A run's recorder, its folder, and the checkpoints that are said to be there."""

    def __init__(self, folder: Path, measures: tuple[str, ...] = ONE, checkpoints: tuple[int, ...] = (), **settings: Any) -> None:
        self.folder = folder
        config = TrainingConfig(**{"model": "bert-tiny", "steps": 1000, "batch_size": 4, **settings})
        self.losses = LossLog(str(folder / "losses.jsonl"))
        self.recorder = Recorder(
            self.losses,
            StatusFile(str(folder)),
            Summaries(str(folder / "tensorboard"), self.losses.steps),
            lambda step: 0.25 * step,
            config,
            measures,
            lambda at_most: max(((step, f"/run/step-{step}") for step in checkpoints if step <= at_most), default=(0, ""))[1],
            Cost(tokens=16, flops=1e6, peak=1e9),
        )

    def take(self, *losses: float) -> None:
        """Steps of these losses, after those in the log."""
        self.recorder.add(self.losses.steps + 1, np.array([[loss, 1.0] for loss in losses], np.float32))
        self.recorder.record()

    @property
    def log(self) -> str:
        return (self.folder / "losses.jsonl").read_text()


def test_steps_of_a_call_are_logged_with_the_shortest_digits(tmp_path: Path) -> None:
    run = Run(tmp_path, TWO_PARTS)
    run.recorder.add(1, np.array([[1.1, 0.7, 0.4, 2.5], [0.9, 0.5, 0.4, 2.5]], np.float32))
    run.recorder.add(3, np.array([[0.8, 0.5, 0.3, 2.5]], np.float32))
    run.recorder.record()

    assert run.log == (
        '{"step":1,"loss":1.1,"masked_lm_loss":0.7,"next_sentence_loss":0.4}\n'
        '{"step":2,"loss":0.9,"masked_lm_loss":0.5,"next_sentence_loss":0.4}\n'
        '{"step":3,"loss":0.8,"masked_lm_loss":0.5,"next_sentence_loss":0.3}\n'
    )
    assert run.recorder.loss == 0.8


def test_loss_of_one_part_is_told_once(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.take(1.1)

    assert run.log == '{"step":1,"loss":1.1}\n'


def test_status_and_curves_tell_how_far_and_how_fast(tmp_path: Path) -> None:
    run = Run(tmp_path)
    run.take(5.0)
    run.take(4.0, 3.0)
    run.recorder.saved(3)

    status = read_status(str(tmp_path))
    assert status is not None
    assert (status.step, status.loss, status.checkpoint) == (3, 3.0, 3)
    rate = status.examples_per_second
    assert rate is not None
    assert rate > 0
    assert status.seconds_left == pytest.approx(997 * 4 / rate, abs=0.6)
    assert status.model_flops_utilisation == pytest.approx(rate * 1e6 / 1e9, abs=1e-4)
    curves = read_curves(tmp_path / "tensorboard")
    assert curves["loss"] == [(1, 5.0), (2, 4.0), (3, 3.0)]
    assert curves["learning_rate"] == [(1, 0.0), (2, 0.25), (3, 0.5)]
    assert [step for step, _ in curves["gradient_norm"]] == [1, 2, 3]
    assert curves["tokens_per_second"][-1][1] == pytest.approx(16 * rate)
    assert set(curves) >= {"sequences_per_second", "model_flops_utilisation"}


@pytest.mark.parametrize("checkpoints", [(), (1,)])
def test_number_that_is_not_finite_stops_the_run_with_the_last_good_checkpoint(
    tmp_path: Path, checkpoints: tuple[int, ...]
) -> None:
    run = Run(tmp_path, checkpoints=checkpoints)
    run.recorder.add(1, np.array([[1.1, 2.5], [0.9, np.inf], [np.nan, np.nan]], np.float32))

    with pytest.raises(DivergenceError) as error:
        run.recorder.record()

    last = "the last good checkpoint is /run/step-1" if checkpoints else "there is no checkpoint before it"
    told = f"training diverged at step 2: the loss is 0.9, the gradient's norm inf ({last}); lower the learning rate or lengthen"
    assert str(error.value).startswith(told)
    assert run.log == '{"step":1,"loss":1.1}\n'  # and not the step that diverged


def test_loss_that_has_risen_for_good_stops_the_run_with_the_checkpoint_from_before_it_rose(tmp_path: Path) -> None:
    run = Run(tmp_path, checkpoints=(100, 200, 300))
    with pytest.raises(DivergenceError) as error:
        run.take(*[6.0] * 150, *[4.0] * 140, *[9.0] * 200)

    # From step 290 on the window takes in 5 nats more every 20 steps: 2 are passed with the 41st.
    assert str(error.value).startswith(
        "training diverged by step 331: the mean loss of 100 steps is 6.05, and was 4 at step 290 (the last good checkpoint is "
        "/run/step-200); lower the learning rate"
    )
    assert "max_loss_rise, which is 2" in str(error.value)
    assert run.losses.steps == 331


def test_number_that_is_not_finite_after_a_rise_names_the_checkpoint_from_before_it_rose(tmp_path: Path) -> None:
    run = Run(tmp_path, checkpoints=(100, 200, 300))

    with pytest.raises(DivergenceError, match=r"at step 321: the loss is nan.* is /run/step-200\)"):
        run.take(*[6.0] * 150, *[4.0] * 140, *[9.0] * 30, np.nan)


def test_run_that_goes_on_sees_the_rise_as_if_it_had_never_been_killed(tmp_path: Path) -> None:
    Run(tmp_path).take(*[4.0] * 200, *[9.0] * 30)
    with pytest.raises(DivergenceError, match="diverged by step 241"):
        Run(tmp_path).take(*[9.0] * 100)


def test_loss_may_rise_where_it_is_said_so(tmp_path: Path) -> None:
    Run(tmp_path, max_loss_rise=0).take(*[4.0] * 100, *[90.0] * 100)
