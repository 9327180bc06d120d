"""Scores a model on held-out records, beside what the unigram and the majority baselines score."""

import math
import os
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

import keras
import keras_hub  # noqa: F401 (registers the layers that the model is made of)
import numpy as np
import orjson
import tensorflow as tf

from threadmill.errors import InputError
from threadmill.training.evaluation.baseline import Counts, count_masked_tokens, unigram_score
from threadmill.training.inputs.batches import count_split, held_out_batches, held_out_masking
from threadmill.training.inputs.features import Batch
from threadmill.training.models.build import call_model
from threadmill.training.objective import NEXT_SENTENCE_LABELS, Sums, objective_sums
from threadmill.training.processes.spec import EvaluatorSpec
from threadmill.training.runs.status import StatusFile
from threadmill.training.runs.workspace import EVALUATION_NAME, Workspace

_STATUS_SECONDS = 1.0


def evaluate(spec: EvaluatorSpec, status: StatusFile) -> None:
    """Writes evaluation.json into the export folder of the spec's workspace.

    Raises:
        InputError: the held-out records have no masked token.
        IntegrityError: a record is damaged or of another shape.
    """
    tf.config.experimental.enable_op_determinism()
    model = keras.models.load_model(spec.model, compile=False)
    special_ids = spec.masking.special_ids if spec.masking else ()
    train_counts = count_split(spec.train, spec.vocabulary_size, special_ids=special_ids)
    limit = min(spec.held_out.records, spec.config.max_sequences or spec.held_out.records)
    status.update(state="evaluating", steps=-(-limit // spec.config.eval_batch_size))
    masking = held_out_masking(spec.masking, spec.vocabulary_size, spec.held_out) if spec.masking else None
    batches = held_out_batches(spec.held_out, spec.config.eval_batch_size, limit, masking)
    result = _scores(model, batches, train_counts, status)
    export = Workspace(spec.folder).export
    os.makedirs(export, exist_ok=True)
    with open(os.path.join(export, EVALUATION_NAME), "wb") as stream:
        stream.write(orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _scores(model: Any, batches: Iterable[Any], train_counts: Counts, status: StatusFile) -> dict[str, float | int]:
    def score(inputs: Batch, labels: Batch) -> Sums:
        return objective_sums(call_model(model, inputs, training=False), labels)

    forward = tf.function(score, reduce_retracing=True)
    totals: Counter[str] = Counter()
    held_out_counts = np.zeros_like(train_counts)
    random_sentences = 0
    last = time.monotonic()
    for number, (inputs, labels) in enumerate(batches, 1):
        for name, value in forward(inputs, labels).items():
            totals[name] += float(value)  # type: ignore[assignment]
        held_out_counts += _counts(labels, len(train_counts))
        if NEXT_SENTENCE_LABELS in labels:
            random_sentences += int(np.sum(labels[NEXT_SENTENCE_LABELS]))
        if time.monotonic() - last >= _STATUS_SECONDS:
            last = time.monotonic()
            status.update(step=number)
    if not held_out_counts.sum():
        raise InputError("the held-out records have no masked token to score; make records with masked_lm_prob above 0")
    return _summary(totals, random_sentences, train_counts, held_out_counts)


def _summary(totals: Counter[str], random_sentences: int, train: Counts, held_out: Counts) -> dict[str, float | int]:
    """All losses are in nats a token (or a sequence); perplexities are e to their power."""
    sequences = int(totals["sequences"])
    unigram = unigram_score(train, held_out)
    masked_loss = totals["masked_loss"] / totals["masked_weight"]
    scores = {
        "masked_loss": masked_loss,
        "masked_perplexity": perplexity(masked_loss),
        "masked_accuracy": totals["masked_correct"] / totals["masked_weight"],
        "unigram_loss": unigram.loss,
        "unigram_perplexity": perplexity(unigram.loss),
        "unigram_accuracy": unigram.accuracy,
    }
    if "next_sentence_loss" in totals:
        scores |= {
            "next_sentence_loss": totals["next_sentence_loss"] / sequences,
            "next_sentence_accuracy": totals["next_sentence_correct"] / sequences,
            "majority_accuracy": max(random_sentences, sequences - random_sentences) / sequences,
        }
    rounded: dict[str, float | int] = {name: round(value, 6) for name, value in scores.items()}
    return {**rounded, "masked_tokens": int(held_out.sum()), "sequences": sequences}


def perplexity(loss: float) -> float:
    """e to the power of a mean cross-entropy in nats, at most the largest float."""
    return math.exp(min(loss, 709.0))


def _counts(batch: Batch, vocabulary_size: int) -> Counts:
    return count_masked_tokens(batch["masked_lm_ids"], batch["masked_lm_weights"], vocabulary_size)
