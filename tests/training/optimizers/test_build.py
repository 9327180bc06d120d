from typing import Any

import pytest


def test_rate_rises_to_its_peak_and_falls_to_the_last_step(tensorflow_facts: dict[str, Any]) -> None:
    rates = tensorflow_facts["optimizer"]["rates"]

    assert rates == pytest.approx([0.2, 0.4, 0.6, 0.8, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6], rel=1e-6)


def test_rate_without_warm_up_begins_at_its_peak(tensorflow_facts: dict[str, Any]) -> None:
    assert tensorflow_facts["optimizer"]["rates without warm-up"] == [1, 0.75, 0.5, 0.25]


def test_kernels_and_embeddings_decay_and_biases_and_norms_do_not(tensorflow_facts: dict[str, Any]) -> None:
    after = tensorflow_facts["optimizer"]["after a step of decay alone"]
    decayed = {path.rsplit("/", 1)[1] for path, value in after.items() if value != 1}
    kept = {path.rsplit("/", 1)[1] for path, value in after.items() if value == 1}

    assert (decayed, kept) == ({"kernel", "embeddings"}, {"bias", "gamma", "beta", "output_bias"})
    assert after["pooled_dense/kernel"] == pytest.approx(1 - 0.1 * 0.5)
