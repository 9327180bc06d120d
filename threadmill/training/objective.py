"""The masked LM and next sentence objectives as sums and counts, from which training and evaluation take their means."""

from typing import Any

import tensorflow as tf

from threadmill.training.models.encoders import MASKED_LM, NEXT_SENTENCE

Sums = dict[str, Any]

NEXT_SENTENCE_LABELS = "next_sentence_labels"


def objective_sums(outputs: dict[str, Any], labels: dict[str, Any]) -> Sums:
    """Sums over a batch, all float32[].

    Args:
        outputs: logits, see `threadmill.training.models.encoders.build_bert`.
        labels: see `threadmill.training.inputs.features.parse_batch`.

    Returns:
        ``masked_loss`` (nats), ``masked_correct`` and ``masked_weight`` over the masked positions, each times its
        weight; ``sequences``; and where the model tells a next sentence, and the labels do, ``next_sentence_loss`` and
        ``next_sentence_correct``. Means are taken from these at the end, over all replicas and batches: a mean of means
        would weight them wrongly.
    """
    ids, weights, logits = labels["masked_lm_ids"], labels["masked_lm_weights"], outputs[MASKED_LM]
    masked = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=ids, logits=logits)
    sums = {
        "masked_loss": tf.reduce_sum(masked * weights),
        "masked_correct": tf.reduce_sum(_correct(logits, ids) * weights),
        "masked_weight": tf.reduce_sum(weights),
        "sequences": tf.cast(tf.shape(ids)[0], tf.float32),
    }
    if NEXT_SENTENCE in outputs and NEXT_SENTENCE_LABELS in labels:
        sums |= _next_sentence_sums(outputs[NEXT_SENTENCE], labels[NEXT_SENTENCE_LABELS])
    return sums


def _next_sentence_sums(logits: Any, sentences: Any) -> Sums:
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=sentences, logits=logits)
    return {
        "next_sentence_loss": tf.reduce_sum(losses),
        "next_sentence_correct": tf.reduce_sum(_correct(logits, sentences)),
    }


def _correct(logits: Any, labels: Any) -> Any:
    return tf.cast(tf.argmax(logits, -1, output_type=tf.int32) == labels, tf.float32)
