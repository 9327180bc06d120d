"""The features of records as tensors: BERT's by their names of v1 and v2, with a next sentence or none, and RoBERTa's."""

from typing import Any

import tensorflow as tf

from threadmill.training.inputs.records import RecordFormat

Batch = dict[str, Any]

# TensorFlow Model Garden's names (v2) for google-research/bert's (v1).
_V1_NAMES = {"input_word_ids": "input_ids", "input_type_ids": "segment_ids"}


def feature_types(records: RecordFormat) -> dict[str, Any]:
    """What `tf.io.parse_example` reads of each feature, by its name in the records."""
    types = _v1_types(records)
    return {name: types[_V1_NAMES.get(name, name)] for name in records.features if _V1_NAMES.get(name, name) in types}


def _v1_types(records: RecordFormat) -> dict[str, Any]:
    tokens = tf.io.FixedLenFeature([records.max_seq_length], tf.int64)
    predictions = tf.io.FixedLenFeature([records.max_predictions_per_seq], tf.int64)
    return {
        "input_ids": tokens,
        "input_mask": tokens,
        "segment_ids": tokens,
        "masked_lm_positions": predictions,
        "masked_lm_ids": predictions,
        "masked_lm_weights": tf.io.FixedLenFeature([records.max_predictions_per_seq], tf.float32),
        "next_sentence_labels": tf.io.FixedLenFeature([1], tf.int64),
    }


def parse_batch(serialized: Any, records: RecordFormat) -> tuple[Batch, Batch]:
    """Parses serialised tf.train.Example.

    Args:
        serialized: string[B].

    Returns:
        The models' inputs, int32: ``token_ids``, ``segment_ids`` (0 where the records have none) and ``padding_mask``
        [B, S], and with static masks ``mask_positions`` [B, P]; and the labels: with static masks ``masked_lm_ids``
        int32[B, P] and ``masked_lm_weights`` float32[B, P] (0 where a position is padding), and ``next_sentence_labels``
        int32[B] where the records tell it.
    """
    example = {
        _V1_NAMES.get(name, name): value for name, value in tf.io.parse_example(serialized, feature_types(records)).items()
    }
    whole = {name: tf.cast(value, tf.int32) if value.dtype == tf.int64 else value for name, value in example.items()}
    tokens = whole["input_ids"]
    segments = whole.get("segment_ids")
    inputs = {
        "token_ids": tokens,
        "segment_ids": tf.zeros_like(tokens) if segments is None else segments,
        "padding_mask": whole["input_mask"],
    }
    labels = {}
    if records.static_masks:
        inputs["mask_positions"] = whole["masked_lm_positions"]
        labels = {name: whole[name] for name in ("masked_lm_ids", "masked_lm_weights")}
    if records.next_sentence:
        labels["next_sentence_labels"] = whole["next_sentence_labels"][:, 0]
    return inputs, labels
