"""Evaluation as its process does it, beside the same numbers computed by hand from all logits at once."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import orjson
import pytest

from tests.training.made import TOKENS, Columns, causal, make_records, make_vocabulary, masked_roberta, seq2seq
from threadmill.errors import InputError
from threadmill.training.config import EvaluationConfig
from threadmill.training.evaluation.scoring import evaluate
from threadmill.training.inputs.batches import held_out_batches
from threadmill.training.inputs.records import RecordFiles, open_records, record_files
from threadmill.training.models.build import build_model
from threadmill.training.models.presets import BERT, CAUSAL, ENCODER_DECODER, ModelPreset, ModelSizes
from threadmill.training.processes.spec import EvaluatorSpec
from threadmill.training.runs.status import StatusFile

pytestmark = pytest.mark.keras

SHARDS = {"train-00000-of-00001.tfrecord": 40, "validation-00000-of-00001.tfrecord": 30}
WIDTH = (1, 16, 2, 32, 1e-3)
PRESETS = {
    "bert": ModelPreset(*WIDTH, architecture=BERT),
    "seq2seq": ModelPreset(*WIDTH, architecture=ENCODER_DECODER, encoder_layers=1, normalize_first=True),
    "causal": ModelPreset(*WIDTH, architecture=CAUSAL, normalize_first=True),
}


def made_spec(folder: Path, objective: str, kind: Callable[[Columns], Columns], config: EvaluationConfig) -> EvaluatorSpec:
    """An evaluation of an untrained model."""
    records = open_records(
        make_records(
            folder / "records", make_vocabulary(folder / "vocabulary", TOKENS), SHARDS, kind=kind, objective=objective
        ).uri
    )
    train, held_out = record_files(records, "train"), record_files(records, "validation")
    form = held_out.format
    keras.utils.set_random_seed(1)
    sizes = ModelSizes(TOKENS, form.max_seq_length, form.max_target_length, form.next_sentence)
    path = str(folder / "model.keras")
    build_model(PRESETS[objective], sizes, 0.1).save(path)
    return EvaluatorSpec(str(folder), path, held_out, train, TOKENS, keras.backend.backend(), config, None)


def evaluated(spec: EvaluatorSpec) -> dict[str, Any]:
    evaluate(spec, StatusFile(spec.folder))
    scores: dict[str, Any] = orjson.loads((Path(spec.folder) / "export" / "evaluation.json").read_bytes())
    return scores


def by_hand(spec: EvaluatorSpec, output: str, ids: str, weights: str) -> tuple[float, float, int]:
    """The mean loss and the accuracy of a term over all held-out records, and its tokens."""
    model = keras.models.load_model(spec.model, compile=False)
    ((inputs, labels),) = held_out_batches(spec.held_out, 30, 30)
    outputs = model({name: inputs[name] for name in model.input})[output]
    logits = keras.ops.convert_to_numpy(outputs).astype(np.float64)[labels[weights] > 0]
    told = labels[ids][labels[weights] > 0]
    logarithms = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -float(logarithms[np.arange(len(told)), told].mean()), float((logits.argmax(axis=1) == told).mean()), len(told)


def unigram_loss(train: RecordFiles, held_out: RecordFiles, ids: str, weights: str) -> float:
    """Of tokens as often as the train split tells them, each seen once more."""
    counts = []
    for records in (train, held_out):
        ((_, labels),) = held_out_batches(records, records.records, records.records)
        counts.append(np.bincount(labels[ids][labels[weights] > 0], minlength=TOKENS))
    probabilities = (counts[0] + 1) / (counts[0].sum() + TOKENS)
    return -float((counts[1] * np.log(probabilities)).sum() / counts[1].sum())


@pytest.mark.parametrize(
    ("objective", "kind", "term", "output", "ids", "weights", "tokens"),
    [
        ("bert", dict, "masked", "masked_lm", "masked_lm_ids", "masked_lm_weights", "masked_tokens"),
        ("seq2seq", seq2seq, "response", "response", "response_ids", "response_weights", "response_tokens"),
        ("causal", causal, "token", "next_token", "token_labels", "token_weights", "tokens"),
    ],
)
def test_scores_are_means_over_all_records(
    tmp_path: Path, objective: str, kind: Any, term: str, output: str, ids: str, weights: str, tokens: str
) -> None:
    spec = made_spec(tmp_path, objective, kind, EvaluationConfig(eval_batch_size=7, ranking_contexts=0))

    scores = evaluated(spec)

    loss, accuracy, count = by_hand(spec, output, ids, weights)
    assert scores[f"{term}_loss"] == pytest.approx(loss, abs=1e-4)
    assert scores[f"{term}_perplexity"] == pytest.approx(math.exp(loss), rel=1e-4)
    assert scores[f"{term}_accuracy"] == pytest.approx(accuracy, abs=1e-5)
    assert scores["unigram_loss"] == pytest.approx(unigram_loss(spec.train, spec.held_out, ids, weights), abs=1e-5)
    assert (scores[tokens], scores["sequences"]) == (count, 30)
    assert not [name for name in scores if name.startswith("ranking")]
    assert ("next_sentence_accuracy" in scores) == (objective == "bert")
    assert 0.5 <= scores.get("majority_accuracy", 0.5) < 0.8


def test_responses_are_ranked_among_as_many_as_there_are(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spec = made_spec(tmp_path, "seq2seq", seq2seq, EvaluationConfig(ranking_contexts=9))

    scores = evaluated(spec)

    assert scores["ranking_contexts"] == 9
    assert 12 <= scores["ranking_candidates"] <= 25 - 6  # 25 words, some in no record, and a quarter of the pairs set apart
    assert scores["ranking_chance"] == pytest.approx(1 / scores["ranking_candidates"], abs=1e-6)
    assert 0 <= scores["ranking_accuracy"] <= 1
    assert f"ranked among {scores['ranking_candidates']}, for there are no more" in caplog.text


def test_too_few_pairs_are_not_ranked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    spec = made_spec(tmp_path, "seq2seq", seq2seq, EvaluationConfig(max_sequences=1))

    assert "ranking_accuracy" not in evaluated(spec)
    assert "different pairs are too few to rank responses; 4 are needed" in caplog.text


def test_records_without_a_token_to_tell_are_refused(tmp_path: Path) -> None:
    def unmasked(columns: Columns) -> Columns:
        columns["masked_lm_weights"] = np.zeros_like(columns["masked_lm_weights"])
        return masked_roberta(columns) | {"segment_ids": columns["segment_ids"]}

    spec = made_spec(tmp_path, "bert", unmasked, EvaluationConfig())

    with pytest.raises(InputError, match="have no token to score"):
        evaluated(spec)
