"""The features of records as the models' inputs and labels, for each objective."""

from collections.abc import Callable
from typing import Any

import tensorflow as tf

from threadmill.pretraining.feature_names import V1_NAMES
from threadmill.training.inputs.records import RecordFormat

Batch = dict[str, Any]


def feature_types(records: RecordFormat) -> dict[str, Any]:
    """What `tf.io.parse_example` reads of each feature, by its name in the records."""
    types = _types(records)
    return {name: types[V1_NAMES.get(name, name)] for name in records.features if V1_NAMES.get(name, name) in types}


def _types(records: RecordFormat) -> dict[str, Any]:
    tokens = tf.io.FixedLenFeature([records.max_seq_length], tf.int64)
    if records.objective == "seq2seq":
        target = tf.io.FixedLenFeature([records.max_target_length], tf.int64)
        encoder = dict.fromkeys(("encoder_input_ids", "encoder_segment_ids"), tokens)
        return encoder | dict.fromkeys(("decoder_input_ids", "decoder_labels", "decoder_segment_ids"), target)
    types = dict.fromkeys(("input_ids", "input_mask", "segment_ids"), tokens)
    if records.masked:
        predictions = tf.io.FixedLenFeature([records.max_predictions_per_seq], tf.int64)
        types |= {
            "masked_lm_positions": predictions,
            "masked_lm_ids": predictions,
            "masked_lm_weights": tf.io.FixedLenFeature([records.max_predictions_per_seq], tf.float32),
            "next_sentence_labels": tf.io.FixedLenFeature([1], tf.int64),
        }
    return types


def parse_batch(serialized: Any, records: RecordFormat) -> tuple[Batch, Batch]:
    """Parses serialised tf.train.Example.

    Segment ids of seq2seq and causal records are the number of the packed pair or document, from 1, and 0 for padding.

    Args:
        serialized: string[B].

    Returns:
        The models' inputs, int32, and the labels, int32 but for weights, which are float32 and 0 where there is nothing to
        learn. For the objective

        - bert and roberta: ``token_ids``, ``segment_ids`` (0 where the records have none) and ``padding_mask`` [B, S], and
          with static masks ``mask_positions`` [B, P]; labels ``masked_lm_ids`` and ``masked_lm_weights`` [B, P] with
          static masks, and ``next_sentence_labels`` [B] where the records tell it;
        - seq2seq: ``encoder_token_ids`` and ``encoder_segment_ids`` [B, S], ``decoder_token_ids`` and
          ``decoder_segment_ids`` [B, T]; labels ``response_ids`` and ``response_weights`` [B, T];
        - causal: ``token_ids`` and ``segment_ids`` [B, S]; labels ``token_labels`` [B, S], the next token of the same
          segment, and ``token_weights`` [B, S], 1 where there is one.
    """
    example = {V1_NAMES.get(name, name): value for name, value in tf.io.parse_example(serialized, feature_types(records)).items()}
    whole = {name: tf.cast(value, tf.int32) if value.dtype == tf.int64 else value for name, value in example.items()}
    return _PAIRS[records.objective](whole, records)


def _masked_pair(whole: Batch, records: RecordFormat) -> tuple[Batch, Batch]:
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


def _response_pair(whole: Batch, _records: RecordFormat) -> tuple[Batch, Batch]:
    inputs = {
        "encoder_token_ids": whole["encoder_input_ids"],
        "encoder_segment_ids": whole["encoder_segment_ids"],
        "decoder_token_ids": whole["decoder_input_ids"],
        "decoder_segment_ids": whole["decoder_segment_ids"],
    }
    weights = tf.cast(whole["decoder_segment_ids"] > 0, tf.float32)
    return inputs, {"response_ids": whole["decoder_labels"], "response_weights": weights}


def _token_pair(whole: Batch, _records: RecordFormat) -> tuple[Batch, Batch]:
    tokens, segments = whole["input_ids"], whole["segment_ids"]
    following = tf.pad(segments[:, 1:], [[0, 0], [0, 1]])
    weights = tf.cast((segments == following) & (segments > 0), tf.float32)
    labels = {"token_labels": tf.pad(tokens[:, 1:], [[0, 0], [0, 1]]), "token_weights": weights}
    return {"token_ids": tokens, "segment_ids": segments}, labels


_PAIRS: dict[str, Callable[[Batch, RecordFormat], tuple[Batch, Batch]]] = {
    "bert": _masked_pair,
    "roberta": _masked_pair,
    "seq2seq": _response_pair,
    "causal": _token_pair,
}
