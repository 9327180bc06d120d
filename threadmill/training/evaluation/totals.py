"""The scores of a model as means over all held-out records, beside those of the unigram and the majority baselines."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from threadmill.errors import InputError
from threadmill.training.evaluation.baseline import Counts, count_tokens, unigram_score
from threadmill.training.objectives import SEQUENCES, TERMS

_NEXT_SENTENCE = "next_sentence"
_OF_TOKENS = [term for term in TERMS.values() if term.weights]

Scores = dict[str, float | int]


class Totals:
    """The sums over all batches, and what the baselines are told from: the labels' tokens and next sentences."""

    def __init__(self, vocabulary_size: int) -> None:
        self.sums: dict[str, float] = {}
        self.counts: Counts = np.zeros(vocabulary_size, np.int64)
        self.random_sentences = 0

    def add(self, sums: Mapping[str, float], labels: Mapping[str, Any]) -> None:
        """Adds a batch: its `threadmill.training.objectives.objective_sums`, and its labels."""
        for name, value in sums.items():
            self.sums[name] = self.sums.get(name, 0.0) + value
        for term in _OF_TOKENS:
            if term.ids in labels:
                self.counts += count_tokens(np.asarray(labels[term.ids]), np.asarray(labels[term.weights]), len(self.counts))
        self.random_sentences += int(np.sum(labels.get(TERMS[_NEXT_SENTENCE].ids, 0)))

    def scores(self, train: Counts) -> Scores:
        """The scores; see `threadmill.training.evaluation.stage.EvaluationStage`.

        Args:
            train: int64[V], how often each token is to be told in the train split.

        Raises:
            InputError: no token was to be told.
        """
        if not self.counts.sum():
            raise InputError(
                "the held-out records have no token to score; make records of whole sequences, with masked_lm_prob above 0 "
                "where they are masked"
            )
        scores: Scores = {}
        for term in _OF_TOKENS:
            if f"{term.name}_weight" in self.sums:
                scores |= self._of_tokens(term.name)
        unigram = unigram_score(train, self.counts)
        scores |= {
            "unigram_loss": unigram.loss,
            "unigram_perplexity": perplexity(unigram.loss),
            "unigram_accuracy": unigram.accuracy,
        }
        scores |= self._of_sentences()
        rounded: Scores = {name: round(value, 6) for name, value in scores.items()}
        for term in _OF_TOKENS:
            if f"{term.name}_weight" in self.sums:
                rounded[_tokens_name(term.name)] = int(self.counts.sum())
        return {**rounded, SEQUENCES: int(self.sums[SEQUENCES])}

    def _of_tokens(self, name: str) -> Scores:
        weight = self.sums[f"{name}_weight"]
        loss = self.sums[f"{name}_loss"] / weight
        accuracy = self.sums[f"{name}_correct"] / weight
        return {f"{name}_loss": loss, f"{name}_perplexity": perplexity(loss), f"{name}_accuracy": accuracy}

    def _of_sentences(self) -> Scores:
        if f"{_NEXT_SENTENCE}_weight" not in self.sums:
            return {}
        sequences = self.sums[f"{_NEXT_SENTENCE}_weight"]
        return {
            f"{_NEXT_SENTENCE}_loss": self.sums[f"{_NEXT_SENTENCE}_loss"] / sequences,
            f"{_NEXT_SENTENCE}_accuracy": self.sums[f"{_NEXT_SENTENCE}_correct"] / sequences,
            "majority_accuracy": max(self.random_sentences, sequences - self.random_sentences) / sequences,
        }


def _tokens_name(term: str) -> str:
    """masked_tokens, response_tokens and tokens."""
    return f"{term}_tokens".removeprefix("token_")


def perplexity(loss: float) -> float:
    """e to the power of a mean cross-entropy in nats, at most the largest float."""
    return math.exp(min(loss, 709.0))
