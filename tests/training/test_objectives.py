"""Losses of two sequences, counted by hand."""

import math

import numpy as np
import pytest
from keras import ops

from threadmill.training.objectives import objective_sums, term_losses, term_weights

pytestmark = pytest.mark.keras

# Two sequences of two predictions over three tokens; the last prediction is padding.
MASKED = np.log(np.array([[[0.5, 0.25, 0.25], [0.1, 0.8, 0.1]], [[0.2, 0.2, 0.6], [0.9, 0.05, 0.05]]], np.float32))
SENTENCES = np.log(np.array([[0.5, 0.5], [0.25, 0.75]], np.float32))
LABELS = {
    "masked_lm_ids": np.array([[0, 2], [2, 1]], np.int32),
    "masked_lm_weights": np.array([[1, 1], [1, 0]], np.float32),
    "next_sentence_labels": np.array([0, 1], np.int32),
}


def sums(outputs: dict[str, np.ndarray], labels: dict[str, np.ndarray]) -> dict[str, float]:
    tensors = ({name: ops.convert_to_tensor(values) for name, values in part.items()} for part in (outputs, labels))
    return {name: float(value) for name, value in objective_sums(*tensors).items()}


def test_sums_leave_padding_out() -> None:
    found = sums({"masked_lm": MASKED, "next_sentence": SENTENCES}, LABELS)

    assert found["masked_loss"] == pytest.approx(-math.log(0.5) - math.log(0.1) - math.log(0.6), rel=1e-6)
    assert (found["masked_correct"], found["masked_weight"]) == (2, 3)


def test_next_sentence_counts_every_sequence() -> None:
    found = sums({"masked_lm": MASKED, "next_sentence": SENTENCES}, LABELS)

    assert found["next_sentence_loss"] == pytest.approx(-math.log(0.5) - math.log(0.75), rel=1e-6)
    assert (found["next_sentence_correct"], found["next_sentence_weight"], found["sequences"]) == (2, 2, 2)


@pytest.mark.parametrize(
    ("term", "output", "ids"), [("response", "response", "response_ids"), ("token", "next_token", "token_labels")]
)
def test_tokens_of_responses_and_of_documents_are_counted_by_their_weights(term: str, output: str, ids: str) -> None:
    labels = {ids: LABELS["masked_lm_ids"], ids.split("_")[0] + "_weights": LABELS["masked_lm_weights"]}
    found = sums({output: MASKED}, labels)

    assert sorted(found) == sorted([f"{term}_correct", f"{term}_loss", f"{term}_weight", "sequences"])
    assert found[f"{term}_loss"] == pytest.approx(-math.log(0.5) - math.log(0.1) - math.log(0.6), rel=1e-6)


def test_term_without_output_or_without_labels_is_left_out() -> None:
    masked = ["masked_correct", "masked_loss", "masked_weight", "sequences"]

    assert sorted(sums({"masked_lm": MASKED}, LABELS)) == masked
    assert sorted(sums({"masked_lm": MASKED, "next_sentence": SENTENCES}, dict(list(LABELS.items())[:2]))) == masked


def test_shares_of_the_parts_of_a_batch_add_up_to_its_mean() -> None:
    outputs = {"masked_lm": MASKED, "next_sentence": SENTENCES}
    whole = {name: float(value) for name, value in term_weights(outputs, LABELS).items()}
    assert whole == {"masked": 3, "next_sentence": 2}
    rows = [({n: v[i : i + 1] for n, v in outputs.items()}, {n: v[i : i + 1] for n, v in LABELS.items()}) for i in (0, 1)]
    shares = [[float(loss) for loss in term_losses(sums(*row), whole)] for row in rows]

    total = sums(outputs, LABELS)
    assert shares[0][0] + shares[1][0] == pytest.approx(total["masked_loss"] / 3, rel=1e-6)
    assert shares[0][1] + shares[1][1] == pytest.approx(total["next_sentence_loss"] / 2, rel=1e-6)


def test_half_precision_logits_make_float32_sums() -> None:
    logits = ops.cast(ops.convert_to_tensor(MASKED), "bfloat16")
    found = objective_sums({"masked_lm": logits}, {name: ops.convert_to_tensor(values) for name, values in LABELS.items()})

    assert {str(np.asarray(value).dtype) for value in found.values()} == {"float32"}
