import math
from typing import Any

import pytest


def test_sums_leave_padding_out(tensorflow_facts: dict[str, Any]) -> None:
    sums = tensorflow_facts["objective"]

    assert sums["masked_loss"] == pytest.approx(-math.log(0.5) - math.log(0.1) - math.log(0.6), rel=1e-6)
    assert (sums["masked_correct"], sums["masked_weight"]) == (2, 3)


def test_next_sentence_counts_every_sequence(tensorflow_facts: dict[str, Any]) -> None:
    sums = tensorflow_facts["objective"]

    assert sums["next_sentence_loss"] == pytest.approx(-math.log(0.5) - math.log(0.75), rel=1e-6)
    assert (sums["next_sentence_correct"], sums["sequences"]) == (2, 2)


def test_model_without_next_sentence_has_sums_of_the_masked_lm_alone(tensorflow_facts: dict[str, Any]) -> None:
    assert tensorflow_facts["objective"]["without next sentence"] == [
        "masked_correct",
        "masked_loss",
        "masked_weight",
        "sequences",
    ]
