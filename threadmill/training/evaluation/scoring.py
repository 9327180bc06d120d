"""The evaluator's work: scores a saved model on held-out records, beside baselines, and ranks responses where it has them."""

import logging
import os
import time
from collections.abc import Iterator
from typing import Any

import keras
import keras_hub  # noqa: F401 (registers the layers that the model is made of)
import orjson

from threadmill.training.backends.backend import Batch, get_backend
from threadmill.training.config import TrainingConfig
from threadmill.training.evaluation.likelihood import ResponseLikelihood
from threadmill.training.evaluation.ranking import MINIMUM, PairSample, rank_responses, sample_size
from threadmill.training.evaluation.totals import Scores, Totals
from threadmill.training.inputs.batches import count_split, held_out_batches, held_out_masking
from threadmill.training.processes.spec import EvaluatorSpec
from threadmill.training.runs.status import StatusFile
from threadmill.training.runs.workspace import EVALUATION_NAME, Workspace

log = logging.getLogger(__name__)

_STATUS_SECONDS = 1.0


def evaluate(spec: EvaluatorSpec, status: StatusFile) -> None:
    """Writes evaluation.json into the export folder of the spec's workspace.

    Raises:
        InputError: the held-out records have no token to score.
        IntegrityError: a record is damaged or of another shape.
    """
    backend = get_backend(spec.backend)
    backend.prepare(TrainingConfig(backend=spec.backend, distribution="one"))  # a saved model brings its precision along
    model = keras.models.load_model(spec.model, compile=False)
    score = backend.scorer(model)
    totals, pairs = Totals(spec.vocabulary_size), PairSample(_pairs_wanted(spec))
    for inputs, labels in _batches(spec, status):
        totals.add(score(inputs, labels), labels)
        if pairs.size:
            pairs.add(inputs, labels)
    special_ids = spec.masking.special_ids if spec.masking else ()
    result = totals.scores(count_split(spec.train, spec.vocabulary_size, special_ids=special_ids))
    if pairs.size:
        result |= _ranked(spec, model, pairs, status)
    export = Workspace(spec.folder).export
    os.makedirs(export, exist_ok=True)
    with open(os.path.join(export, EVALUATION_NAME), "wb") as stream:
        stream.write(orjson.dumps(result, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))


def _pairs_wanted(spec: EvaluatorSpec) -> int:
    """0 where no responses are to be ranked."""
    config = spec.config
    if spec.held_out.format.objective != "seq2seq" or not config.ranking_contexts:
        return 0
    return sample_size(config.ranking_candidates, config.ranking_contexts)


def _batches(spec: EvaluatorSpec, status: StatusFile) -> Iterator[tuple[Batch, Batch]]:
    config, held_out = spec.config, spec.held_out
    limit = min(held_out.records, config.max_sequences or held_out.records)
    masking = held_out_masking(spec.masking, spec.vocabulary_size, held_out) if spec.masking else None
    status.update(state="evaluating", steps=-(-limit // config.eval_batch_size))
    last = time.monotonic()
    for number, batch in enumerate(held_out_batches(held_out, config.eval_batch_size, limit, masking), 1):
        yield batch
        if time.monotonic() - last >= _STATUS_SECONDS:
            last = time.monotonic()
            status.update(step=number)


def _ranked(spec: EvaluatorSpec, model: Any, pairs: PairSample, status: StatusFile) -> Scores:
    config, form = spec.config, spec.held_out.format
    chosen = pairs.pairs
    if len(chosen) < MINIMUM:
        log.warning("evaluate: %d different pairs are too few to rank responses; %d are needed", len(chosen), MINIMUM)
        return {}
    likelihood = ResponseLikelihood(model, spec.vocabulary_size, pairs.begin, form.max_seq_length, form.max_target_length)
    status.update(state="ranking", step=0, steps=min(len(chosen), config.ranking_contexts))
    scores: Scores = {}
    for ranking in rank_responses(chosen, config.ranking_candidates, config.ranking_contexts, likelihood):
        status.update(step=ranking.contexts)
        scores = ranking.scores()
    if scores["ranking_candidates"] < config.ranking_candidates:
        log.warning("evaluate: responses are ranked among %d, for there are no more", scores["ranking_candidates"])
    return scores
