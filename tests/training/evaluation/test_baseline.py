import math

import numpy as np
import pytest

from threadmill.training.evaluation.baseline import count_tokens, unigram_score


def test_padding_is_not_counted() -> None:
    ids = np.array([[3, 1, 0], [3, 0, 0]])
    weights = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]], np.float32)

    assert count_tokens(ids, weights, 5).tolist() == [0, 1, 0, 2, 0]


def test_hand_computed_score() -> None:
    # Three kinds of tokens, seen 5, 2 and 0 times: with one added, p = 6/10, 3/10, 1/10.
    train, held_out = np.array([5, 2, 0]), np.array([2, 1, 1])

    score = unigram_score(train, held_out)

    assert score.loss == pytest.approx(-(2 * math.log(0.6) + math.log(0.3) + math.log(0.1)) / 4)
    assert score.accuracy == 0.5  # always the most frequent one: right twice in four


def test_without_training_tokens_all_are_equally_likely() -> None:
    assert unigram_score(np.zeros(8, int), np.eye(8, dtype=int)[3]).loss == pytest.approx(math.log(8))
