"""1-of-N ranking accuracy: how often a model finds the response of a context likelier than N - 1 responses of others.

The measure of PolyAI's conversational datasets (Henderson et al. 2019, arXiv:1904.06472, section 4: 1-of-100 accuracy): pairs
are put in groups of N, the responses of a group are the candidates for each of its contexts, and the accuracy is the share
of contexts whose own response has the highest score of all. A tie is a miss; so a response that stands twice in its group
never counts as found, as there, where nothing is done about it either.

Those models score a pair by a dot product, ours by likelihood, of which short and common responses have much whatever the
context. So the score is the pointwise mutual information of context and response, log P(response | context) - log
P(response) (Li et al. 2016, arXiv:1510.03055, equation 9 with lambda 1), where P(response) is the mean of P(response | c) over
some other contexts c. These are drawn from the other groups, so that a context's ranking depends on its own candidates alone.
"""

import hashlib
import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Scores = npt.NDArray[np.float64]
Tokens = tuple[int, ...]

MINIMUM = 4  # pairs: one of them background, and a choice among three

_BACKGROUND = 16  # contexts


class Likelihood(Protocol):
    """A model's log-likelihoods."""

    def __call__(self, contexts: Sequence[Tokens], responses: Sequence[Tokens]) -> Scores:
        """float64[C, R]: log P(response | context), nats, of each of R responses to each of C contexts."""


@dataclass(frozen=True)
class Pair:
    """A context and its response, the end included, as token ids."""

    context: Tokens
    response: Tokens


class PairSample:
    """Up to ``size`` of all pairs in seq2seq records, in an order that depends on the pairs alone: that of their hashes.

    So the sample is as if drawn at random, and the same however the records are ordered, packed and sharded. A pair that
    comes again counts once.

    Attributes:
        size: pairs at most.
        begin: the token that all responses begin with, which is no part of them.
    """

    def __init__(self, size: int) -> None:
        self.size, self.begin = size, 0
        self._kept: list[tuple[int, Pair]] = []
        self._keys: set[int] = set()

    def add(self, inputs: Mapping[str, Any], labels: Mapping[str, Any]) -> None:
        """Adds the pairs of a batch, see `threadmill.training.inputs.features.parse_batch`."""
        self.begin = int(np.asarray(inputs["decoder_token_ids"])[0, 0])
        for pair in unpack_pairs(inputs, labels):
            key = -_hash(pair)
            if key in self._keys or (len(self._kept) == self.size and key <= self._kept[0][0]):
                continue
            self._keys.add(key)
            if len(self._kept) < self.size:
                heapq.heappush(self._kept, (key, pair))
            else:
                self._keys.remove(heapq.heapreplace(self._kept, (key, pair))[0])

    @property
    def pairs(self) -> list[Pair]:
        """The pairs, in their order."""
        return [pair for _, pair in sorted(self._kept, key=lambda kept: -kept[0])]


def unpack_pairs(inputs: Mapping[str, Any], labels: Mapping[str, Any]) -> Iterator[Pair]:
    """The pairs of a batch of seq2seq records, one after the other."""
    names = "encoder_token_ids", "encoder_segment_ids", "decoder_segment_ids"
    rows = zip(*(np.asarray(inputs[name]) for name in names), np.asarray(labels["response_ids"]), strict=True)
    for tokens, segments, response_segments, response in rows:
        for number in range(1, int(response_segments.max(initial=0)) + 1):
            yield Pair(tuple(tokens[segments == number].tolist()), tuple(response[response_segments == number].tolist()))


def _hash(pair: Pair) -> int:
    """128 bits, the same on every machine."""
    content = np.array([len(pair.context), *pair.context, *pair.response], "<i4").tobytes()
    return int.from_bytes(hashlib.blake2b(content, digest_size=16).digest(), "little")


@dataclass(frozen=True)
class Ranking:
    """How often the right response was ranked first.

    Attributes:
        found: contexts whose own response had the highest score.
        contexts: in all.
        candidates: responses that were ranked for each.
    """

    found: int
    contexts: int
    candidates: int

    def scores(self) -> dict[str, float | int]:
        """``ranking_accuracy`` beside ``ranking_chance``, and what they were measured with."""
        return {
            "ranking_accuracy": round(self.found / self.contexts, 6),
            "ranking_chance": round(1 / self.candidates, 6),
            "ranking_candidates": self.candidates,
            "ranking_contexts": self.contexts,
        }


def sample_size(candidates: int, contexts: int) -> int:
    """The pairs that are needed to rank so many candidates for so many contexts."""
    return -(-contexts // candidates) * candidates + _BACKGROUND


def rank_responses(pairs: Sequence[Pair], candidates: int, contexts: int, likelihood: Likelihood) -> Iterator[Ranking]:
    """Ranks the responses of each group for its contexts; yields what was found so far after each group.

    Args:
        pairs: at least `MINIMUM` of them. Some are set apart as background, the others are put in groups as they come, those
            that fill no group are left out.
        candidates: the size of a group; where there are fewer pairs, they are one group.
        contexts: at most.
    """
    apart = min(_BACKGROUND, len(pairs) // 4)
    background, ranked = [pair.context for pair in pairs[:apart]], pairs[apart:]
    candidates = min(candidates, len(ranked))
    found = done = 0
    for start in range(0, len(ranked) - candidates + 1, candidates):
        group = ranked[start : start + candidates]
        asked = [pair.context for pair in group[: contexts - done]]
        responses = list(dict.fromkeys(pair.response for pair in group))  # each scored once
        logarithms = likelihood([*asked, *background], responses)
        scores = information(logarithms[: len(asked)], logarithms[len(asked) :])
        found += int(are_first(scores, [responses.index(pair.response) for pair in group]).sum())
        done += len(asked)
        yield Ranking(found, done, candidates)
        if done >= contexts:
            return


def information(logarithms: Scores, background: Scores) -> Scores:
    """float64[C, R]: the pointwise mutual information of contexts and responses, in nats.

    Args:
        logarithms: float64[C, R], log P(response | context).
        background: float64[B, R], the same of other contexts.
    """
    mean: Scores = np.logaddexp.reduce(background, axis=0) - np.log(len(background))
    return logarithms - mean


def are_first(scores: Scores, own: Sequence[int]) -> npt.NDArray[np.bool_]:
    """bool[C]: whether a context's own response has the highest score of all, and no other pair the same response.

    Args:
        scores: float64[C, R], of the different responses to the first C contexts of a group.
        own: the response of each pair of the group.
    """
    rows = np.arange(len(scores))
    mine = scores[rows, own[: len(scores)]]
    others = scores.copy()
    others[rows, own[: len(scores)]] = -np.inf
    alone = np.bincount(own)[np.asarray(own[: len(scores)])] == 1
    first: npt.NDArray[np.bool_] = alone & (mine > others.max(axis=1))
    return first
