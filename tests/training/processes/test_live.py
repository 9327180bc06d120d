import logging

import pytest

from threadmill.training.processes import live
from threadmill.training.processes.live import LiveProgress
from threadmill.training.runs.status import Status


def test_log_tells_step_loss_and_rate_and_nothing_twice(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_SECONDS_BETWEEN_LINES", 0)
    training = Status(
        "training", step=1200, steps=5000, resumed_from=1000, loss=6.0214, examples_per_second=1234.5, seconds_left=98
    )

    with caplog.at_level(logging.INFO), LiveProgress("train", "sequences") as progress:
        for status in (Status("starting"), Status("starting", steps=5000), training, training):
            progress.show(status)

    assert caplog.messages == [
        "train: starting",
        "train: going on from the checkpoint of step 1,000",
        "train: training, step 1,200 of 5,000, loss 6.021, 1,234 sequences/s, 0:01:38 left",
    ]


def test_log_is_silent_when_it_is_quick(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), LiveProgress("train", "sequences") as progress:
        progress.show(Status("training", step=3, steps=9))

    assert caplog.messages == []
