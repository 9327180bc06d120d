"""The masked LM and next sentence objectives as sums and counts, from which training and evaluation take their means."""

from typing import Any

import tensorflow as tf

from threadmill.training.model import MASKED_LM, NEXT_SENTENCE

Sums = dict[str, Any]


def objective_sums(outputs: dict[str, Any], labels: dict[str, Any]) -> Sums:
    """Sums over a batch, all float32[].

    Args:
        outputs: logits, see `threadmill.training.model.build_bert`.
        labels: see `threadmill.training.input.parse_batch`.

    Returns:
        ``masked_loss`` (nats), ``masked_correct`` and ``masked_weight`` over the masked positions, each times its
        weight; ``next_sentence_loss``, ``next_sentence_correct`` and ``sequences``. Means are taken from these at the
        end, over all replicas and batches: a mean of means would weight them wrongly.
    """
    ids, weights = labels["masked_lm_ids"], labels["masked_lm_weights"]
    sentences = labels["next_sentence_labels"]
    masked_logits, sentence_logits = outputs[MASKED_LM], outputs[NEXT_SENTENCE]
    masked = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=ids, logits=masked_logits)
    next_sentence = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=sentences, logits=sentence_logits)
    return {
        "masked_loss": tf.reduce_sum(masked * weights),
        "masked_correct": tf.reduce_sum(_correct(masked_logits, ids) * weights),
        "masked_weight": tf.reduce_sum(weights),
        "next_sentence_loss": tf.reduce_sum(next_sentence),
        "next_sentence_correct": tf.reduce_sum(_correct(sentence_logits, sentences)),
        "sequences": tf.cast(tf.size(sentences), tf.float32),
    }


def _correct(logits: Any, labels: Any) -> Any:
    return tf.cast(tf.argmax(logits, -1, output_type=tf.int32) == labels, tf.float32)
