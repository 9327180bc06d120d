"""Searches for replies in a model's distributions of the next token: greedy, beam and nucleus; pure functions on arrays.

Beam search ranks replies as GNMT does (Wu et al. 2016, arXiv:1609.08144, equation 14, without coverage): log P / lp(n) with
lp(n) = ((5 + n) / 6) ** length_penalty for n tokens, the end included. N-gram blocking is that of Paulus et al. 2017
(arXiv:1705.04304, section 2.5), and of the context as in ParlAI's beam_context_block_ngram. Nucleus sampling is that of
Holtzman et al. 2019 (arXiv:1904.09751).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from threadmill.training.generation.config import BEAM, GREEDY, GenerationConfig
from threadmill.training.models.next_token import Ids, Logits, NextToken

Rows = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float64]

_NOTHING = -1  # in place of a token where there is none


@dataclass(frozen=True)
class SearchSpace:
    """What a reply is made of.

    Attributes:
        begin, end: the tokens before and after every reply. ``begin`` None: the contexts were read, all but their last
            tokens, which are the first ones asked with.
        allowed: bool[V], the tokens that may stand in it.
        max_length: its tokens at most, without the end.
    """

    begin: int | None
    end: int
    allowed: npt.NDArray[np.bool_]
    max_length: int


@dataclass(frozen=True)
class Reply:
    """A reply that was found.

    Attributes:
        ids: its tokens, without the end.
        score: by which replies to one context are ranked: a beam's as above, a draw's log-probability a token.
    """

    ids: tuple[int, ...]
    score: float


def search(
    next_token: NextToken,
    contexts: Sequence[Sequence[int]],
    space: SearchSpace,
    config: GenerationConfig,
    numbers: Sequence[int] | None = None,
) -> list[list[Reply]]:
    """``config.num_replies`` replies to each context, the best first; a beam may find fewer.

    Args:
        contexts: their ids, for n-gram blocking; B of them, row i of the first call to ``next_token`` is the i-th's.
        numbers: of the contexts in all; what is drawn depends on the seed and this number, not on the batch.
    """
    if config.search == BEAM:
        return _Beam(next_token, contexts, space, config).run()
    return _one_by_one(next_token, contexts, space, config, numbers or range(len(contexts)))


class _Hypotheses:
    """The tokens of R hypotheses of one length, and which tokens they may not go on with.

    Attributes:
        tokens: int32[R, length].
        contexts: int64[R], of which context each is.
    """

    def __init__(self, contexts: Sequence[Sequence[int]], each: int, space: SearchSpace, config: GenerationConfig) -> None:
        self._space, self._config = space, config
        self.contexts = np.repeat(np.arange(len(contexts)), each)
        self.tokens: Ids = np.zeros((len(self.contexts), 0), np.int32)
        self._context_tokens = _padded(contexts)

    @property
    def length(self) -> int:
        """The tokens of each."""
        return int(self.tokens.shape[1])

    def go_on(self, parents: Rows, tokens: Ids) -> None:
        """Takes the hypotheses ``parents`` with one more token each."""
        self.tokens = np.concatenate([self.tokens[parents], tokens[:, None]], axis=1)
        self.contexts = self.contexts[parents]

    def score(self, logits: Logits) -> Scores:
        """float64[R, V]: log-probabilities, -inf for what may not come; the end may where nothing else does."""
        space, config = self._space, self._config
        scores = log_softmax(logits)
        ends = scores[:, space.end].copy()
        scores[:, ~space.allowed] = -np.inf
        if self.length >= space.max_length:
            scores[:] = -np.inf
        block_ngrams(scores, self.tokens, self.tokens, config.block_ngram)
        block_ngrams(scores, self.tokens, self._context_tokens[self.contexts], config.block_context_ngram)
        may_end = self.length >= min(config.min_length, space.max_length)
        at_end = np.isneginf(scores).all(axis=1)
        scores[:, space.end] = np.where(may_end | at_end, ends, -np.inf)
        return scores


def log_softmax(logits: Logits) -> Scores:
    """float64[R, V]: the logarithms of the softmax of each row."""
    shifted = logits.astype(np.float64)
    shifted -= shifted.max(axis=1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return shifted


def block_ngrams(scores: Scores, tokens: Ids, seen: Ids, size: int) -> None:
    """Sets to -inf what would make the last ``size`` tokens of a row a run that stands in ``seen``.

    Args:
        scores: float64[R, V].
        tokens, seen: int32[R, n] and int32[R, m]; -1 stands for nothing, and is in no run.
        size: 0 for nothing to block.
    """
    if not size or tokens.shape[1] < size - 1 or seen.shape[1] < size:
        return
    runs = np.lib.stride_tricks.sliding_window_view(seen, size, axis=1)
    last = tokens[:, tokens.shape[1] - (size - 1) :]
    rows, places = np.nonzero((runs[:, :, :-1] == last[:, None, :]).all(axis=2) & (runs[:, :, -1] != _NOTHING))
    scores[rows, runs[rows, places, -1]] = -np.inf


def _padded(sequences: Sequence[Sequence[int]]) -> Ids:
    padded = np.full((len(sequences), max(map(len, sequences), default=0)), _NOTHING, np.int32)
    for row, sequence in zip(padded, sequences, strict=True):
        row[: len(sequence)] = sequence
    return padded


def _first_tokens(contexts: Sequence[Sequence[int]], space: SearchSpace, each: int) -> Ids:
    first = [context[-1] if space.begin is None else space.begin for context in contexts]
    return np.repeat(np.array(first, np.int32), each)


class _Beam:
    """A beam for each of B contexts, all moved on at once: hypothesis k of context b is row b * K + k."""

    def __init__(
        self, next_token: NextToken, contexts: Sequence[Sequence[int]], space: SearchSpace, config: GenerationConfig
    ) -> None:
        self._next_token, self._space, self._config = next_token, space, config
        self._count, self._size = len(contexts), config.beam_size
        self._hypotheses = _Hypotheses(contexts, self._size, space, config)
        self._sums: Scores = np.full((self._count, self._size), -np.inf)
        self._sums[:, 0] = 0  # one hypothesis to begin with, the others repeat it
        self._tokens = _first_tokens(contexts, space, self._size)
        self._found: list[list[Reply]] = [[] for _ in contexts]

    def run(self) -> list[list[Reply]]:
        """The best replies."""
        parents = self._hypotheses.contexts
        for _ in range(self._space.max_length + 1):
            scores = self._hypotheses.score(self._next_token(parents, self._tokens))
            totals = self._sums.reshape(-1, 1) + scores
            self._end(totals[:, self._space.end])
            totals[:, self._space.end] = -np.inf
            parents = self._choose(totals)
            if self._done():
                break
        return self._found

    def _end(self, totals: Scores) -> None:
        """Takes the hypotheses that end here as replies, if they are among the best."""
        length = self._hypotheses.length
        penalty = self._penalty(length + 1)
        for row in np.flatnonzero(~np.isneginf(totals)):
            found = self._found[row // self._size]
            found.append(Reply(tuple(self._hypotheses.tokens[row].tolist()), float(totals[row]) / penalty))
        for found in self._found:
            found.sort(key=lambda reply: (-reply.score, reply.ids))
            del found[self._config.num_replies :]

    def _choose(self, totals: Scores) -> Rows:
        """Goes on with the best K of each context; returns the rows that they come from."""
        vocabulary = totals.shape[1]
        of_context = totals.reshape(self._count, -1)
        best = np.argpartition(-of_context, self._size - 1, axis=1)[:, : self._size]
        values = np.take_along_axis(of_context, best, 1)
        order = np.lexsort((best, -values), axis=1)  # of equal ones the first, whatever the partition's order
        best = np.take_along_axis(best, order, 1)
        self._sums = np.take_along_axis(of_context, best, 1)
        parents: Rows = (best // vocabulary + np.arange(self._count)[:, None] * self._size).ravel()
        self._tokens = (best % vocabulary).ravel().astype(np.int32)
        self._hypotheses.go_on(parents, self._tokens)
        return parents

    def _done(self) -> bool:
        """Whether no hypothesis can become better than the replies that are found: none loses less than nothing."""
        penalty = self._penalty(self._space.max_length + 1)
        return all(
            np.isneginf(best) or (len(found) == self._config.num_replies and found[-1].score >= best / penalty)
            for best, found in zip(self._sums.max(axis=1), self._found, strict=True)
        )

    def _penalty(self, length: int) -> float:
        return float(((5 + length) / 6) ** self._config.length_penalty)


def _one_by_one(
    next_token: NextToken, contexts: Sequence[Sequence[int]], space: SearchSpace, config: GenerationConfig, numbers: Sequence[int]
) -> list[list[Reply]]:
    """Greedy and nucleus: hypotheses that do not know of each other."""
    hypotheses = _Hypotheses(contexts, config.num_replies, space, config)
    choose = _likeliest if config.search == GREEDY else _Draws(config, numbers)
    parents, tokens = hypotheses.contexts, _first_tokens(contexts, space, config.num_replies)
    rows = np.arange(len(parents))
    lengths = np.full(len(parents), -1)
    sums = np.zeros(len(parents))
    while (lengths < 0).any():
        scores = hypotheses.score(next_token(parents, tokens))
        tokens, parents = choose(scores), rows
        sums += np.where(lengths < 0, scores[rows, tokens], 0)
        lengths = np.where((lengths < 0) & (tokens == space.end), hypotheses.length, lengths)
        hypotheses.go_on(rows, tokens)
    replies: list[list[Reply]] = [[] for _ in contexts]
    for row, context in enumerate(hypotheses.contexts):
        ids = hypotheses.tokens[row, : lengths[row]]
        replies[context].append(Reply(tuple(ids.tolist()), float(sums[row]) / (len(ids) + 1)))
    return [sorted(of_context, key=lambda reply: -reply.score) for of_context in replies]


_Choice = Callable[[Scores], Ids]


def _likeliest(scores: Scores) -> Ids:
    tokens: Ids = scores.argmax(axis=1).astype(np.int32)
    return tokens


class _Draws:
    """Draws a token a row; each row has a stream of random numbers of its own."""

    def __init__(self, config: GenerationConfig, numbers: Sequence[int]) -> None:
        self._config = config
        self._streams = [
            np.random.default_rng([config.seed, number, draw]) for number in numbers for draw in range(config.num_replies)
        ]

    def __call__(self, scores: Scores) -> Ids:
        config = self._config
        probabilities = nucleus(scores / config.temperature, config.top_p, config.top_k)
        sums = probabilities.cumsum(axis=1)
        drawn = np.array([stream.random() for stream in self._streams]) * sums[:, -1]
        tokens: Ids = (sums <= drawn[:, None]).sum(axis=1).astype(np.int32)
        return tokens


def nucleus(logits: Scores, top_p: float, top_k: int = 0) -> Scores:
    """float64[R, V]: the softmax's probabilities, 0 outside the nucleus: the fewest likeliest tokens of ``top_p`` together.

    Args:
        logits: -inf for what may not come; at least one a row is not.
        top_k: tokens at most, chosen before the nucleus; 0 for any number.
    """
    probabilities = np.exp(log_softmax(logits))
    order = np.argsort(-probabilities, axis=1, kind="stable")
    sorted_ = np.take_along_axis(probabilities, order, 1)
    if top_k:
        sorted_[:, top_k:] = 0
        sorted_ /= sorted_.sum(axis=1, keepdims=True)
    sorted_[sorted_.cumsum(axis=1) - sorted_ >= top_p] = 0  # those before it have top_p already
    kept = np.zeros_like(probabilities)
    np.put_along_axis(kept, order, sorted_, 1)
    return kept
