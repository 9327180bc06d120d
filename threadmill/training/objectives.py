"""The objectives' losses as sums and counts, from which training, validation and evaluation take their means."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from keras import ops

Sums = dict[str, Any]

SEQUENCES = "sequences"


@dataclass(frozen=True)
class Term:
    """A classification whose cross-entropy is part of the loss.

    Attributes:
        name: begins the names of its sums.
        output: the model's logits, float32[B, ..., C].
        ids: the labels' right classes, int32[B, ...].
        weights: the labels' weights, float32[B, ...]; "" where each class counts 1.
    """

    name: str
    output: str
    ids: str
    weights: str = ""


# The registry of terms: a model and its records have those whose output and labels are there.
TERMS = {
    term.name: term
    for term in (
        Term("masked", "masked_lm", "masked_lm_ids", "masked_lm_weights"),
        Term("next_sentence", "next_sentence", "next_sentence_labels"),
        Term("response", "response", "response_ids", "response_weights"),
        Term("token", "next_token", "token_labels", "token_weights"),
    )
}


def terms_of(outputs: Mapping[str, Any], labels: Mapping[str, Any]) -> list[Term]:
    """The terms whose output is in ``outputs`` and whose labels are in ``labels``; the values do not matter."""
    return [term for term in TERMS.values() if term.output in outputs and term.ids in labels]


def objective_sums(outputs: Mapping[str, Any], labels: Mapping[str, Any]) -> Sums:
    """Sums over a batch, or over a part of one, all float32[].

    Args:
        outputs: logits, see `threadmill.training.models`.
        labels: see `threadmill.training.inputs.features.parse_batch`.

    Returns:
        ``{term}_loss`` (nats), ``{term}_correct`` and ``{term}_weight`` of each of `terms_of`, over its classes, each times
        its weight; and ``sequences``. Means are taken from these at the end, over all parts, replicas and batches: a mean
        of means would weight them wrongly.
    """
    sums: Sums = {}
    for term in terms_of(outputs, labels):
        logits, ids = ops.cast(outputs[term.output], "float32"), labels[term.ids]
        weights = _weights(term, labels)
        correct = ops.cast(ops.equal(ops.cast(ops.argmax(logits, axis=-1), ids.dtype), ids), "float32")
        sums |= {
            f"{term.name}_loss": ops.sum(ops.sparse_categorical_crossentropy(ids, logits, from_logits=True) * weights),
            f"{term.name}_correct": ops.sum(correct * weights),
            f"{term.name}_weight": ops.sum(weights),
            SEQUENCES: ops.cast(ops.shape(ids)[0], "float32"),
        }
    return sums


def term_weights(outputs: Mapping[str, Any], labels: Mapping[str, Any]) -> dict[str, Any]:
    """The ``{term}_weight`` of `objective_sums` by the term's name, from the labels alone; ``outputs`` is read for its names."""
    return {term.name: ops.sum(_weights(term, labels)) for term in terms_of(outputs, labels)}


def term_losses(sums: Mapping[str, Any], weights: Mapping[str, Any]) -> list[Any]:
    """The share of some sequences in the mean loss of each term (float32[], nats), in the order of `TERMS`.

    Args:
        sums: of these sequences.
        weights: by term, over the whole batch that the mean is of: the shares of all its parts add up to the mean. A term
            of no weight has the loss 0.
    """
    return [sums[f"{name}_loss"] / ops.maximum(weight, 1e-9) for name, weight in weights.items()]


def _weights(term: Term, labels: Mapping[str, Any]) -> Any:
    """float32, of the shape of the ids."""
    if term.weights:
        return ops.cast(labels[term.weights], "float32")
    return ops.ones(ops.shape(labels[term.ids]), "float32")
