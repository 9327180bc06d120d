"""Searches in made-up distributions of the next token, where the best reply is known by trying all of them."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from threadmill.training.generation.config import GenerationConfig
from threadmill.training.generation.search import Reply, SearchSpace, block_ngrams, log_softmax, nucleus, search

BEGIN, END = 5, 4
VOCABULARY = 6  # tokens 0 .. 3, the end and the beginning


class MadeUpModel:
    """Logits that depend on the context and on all tokens since, drawn from a seed."""

    def __init__(self, contexts: Sequence[Sequence[int]], seed: int) -> None:
        self._contexts, self._seed = contexts, seed
        self._read: list[tuple[int, ...]] = []

    def __call__(self, parents: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        before = self._read or [(index,) for index in range(len(self._contexts))]
        self._read = [(*before[parent], int(token)) for parent, token in zip(parents, tokens, strict=True)]
        return np.stack([self.logits(read) for read in self._read])

    def logits(self, read: tuple[int, ...]) -> np.ndarray:
        context, *tokens = read
        return np.random.default_rng([self._seed, *self._contexts[context], *tokens]).normal(0, 2, VOCABULARY)

    def log_probability(self, context: int, reply: tuple[int, ...]) -> float:
        read = [(context, BEGIN, *reply[:length]) for length in range(len(reply) + 1)]
        following = (*reply, END)
        return sum(float(log_softmax(self.logits(one)[None])[0, token]) for one, token in zip(read, following, strict=True))


def space(max_length: int) -> SearchSpace:
    return SearchSpace(BEGIN, END, np.arange(VOCABULARY) < END, max_length)


def all_replies(max_length: int, min_length: int = 0) -> list[tuple[int, ...]]:
    lengths = range(min_length, max_length + 1)
    return [reply for length in lengths for reply in itertools.product(range(END), repeat=length)]


def ranked(model: MadeUpModel, context: int, replies: list[tuple[int, ...]], penalty: float) -> list[Reply]:
    scored = [Reply(reply, model.log_probability(context, reply) / ((6 + len(reply)) / 6) ** penalty) for reply in replies]
    return sorted(scored, key=lambda reply: -reply.score)


def has_run_twice(reply: Sequence[int], size: int) -> bool:
    runs = [tuple(reply[start : start + size]) for start in range(len(reply) - size + 1)]
    return len(set(runs)) < len(runs)


@settings(max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    penalty=st.sampled_from([0.0, 0.65, 1.0, 2.0]),
    min_length=st.integers(0, 3),
    num_replies=st.integers(1, 4),
    block=st.integers(0, 2),
)
def test_wide_beam_finds_the_best_of_all_replies(
    seed: int, penalty: float, min_length: int, num_replies: int, block: int
) -> None:
    contexts = [[1, 2], [3]]
    model = MadeUpModel(contexts, seed)
    config = GenerationConfig(
        search="beam", beam_size=64, length_penalty=penalty, min_length=min_length, num_replies=num_replies, block_ngram=block
    )

    found = search(model, contexts, space(3), config)

    for context, replies in enumerate(found):
        possible = [reply for reply in all_replies(3, min_length) if not block or not has_run_twice(reply, block)]
        best = ranked(MadeUpModel(contexts, seed), context, possible, penalty)[:num_replies]
        assert [reply.ids for reply in replies] == [reply.ids for reply in best]
        assert [reply.score for reply in replies] == pytest.approx([reply.score for reply in best])


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), size=st.integers(1, 4))
def test_narrow_beam_keeps_the_likeliest_beginnings(seed: int, size: int) -> None:
    model = MadeUpModel([[1]], seed)
    (found,) = search(
        model, [[1]], space(4), GenerationConfig(search="beam", beam_size=size, block_ngram=0, min_length=0, length_penalty=1.0)
    )

    kept: list[tuple[int, ...]] = [()]
    ended = []
    for length in range(5):
        ended += ranked(model, 0, kept, 1.0)
        longer = [(*reply, token) for reply in kept for token in range(END)]
        kept = sorted(longer, key=lambda reply: -beginning(model, reply))[:size] if length < 4 else []
    assert found[0].ids == max(ended, key=lambda reply: reply.score).ids


def beginning(model: MadeUpModel, reply: tuple[int, ...]) -> float:
    read = [(0, BEGIN, *reply[:length]) for length in range(len(reply))]
    return sum(float(log_softmax(model.logits(one)[None])[0, token]) for one, token in zip(read, reply, strict=True))


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000))
def test_greedy_takes_the_likeliest_token_each_time(seed: int) -> None:
    contexts = [[1], [2], [3]]
    model = MadeUpModel(contexts, seed)
    config = GenerationConfig(search="greedy", block_ngram=0, min_length=0)

    found = search(model, contexts, space(6), config)

    for context, (reply,) in enumerate(found):
        expected: list[int] = []
        while len(expected) < 6:
            token = int(np.argmax(model.logits((context, BEGIN, *expected))[: END + 1]))
            if token == END:
                break
            expected.append(token)
        assert list(reply.ids) == expected
        assert reply.score == pytest.approx(model.log_probability(context, reply.ids) / (len(expected) + 1))


@settings(max_examples=25)
@given(seed=st.integers(0, 10_000), kind=st.sampled_from(["greedy", "beam", "nucleus"]))
@example(seed=258, kind="greedy")
def test_no_search_repeats_a_blocked_run(seed: int, kind: str) -> None:
    contexts = [[0, 1, 2, 3], [3, 3, 2, 2]]
    config = GenerationConfig(search=kind, beam_size=4, min_length=8, block_ngram=2, block_context_ngram=3)

    for context, replies in zip(contexts, search(MadeUpModel(contexts, seed), contexts, space(12), config), strict=True):
        for reply in replies:
            assert not has_run_twice(reply.ids, 2)
            runs = {tuple(context[start : start + 3]) for start in range(2)}
            assert not any(reply.ids[start : start + 3] in runs for start in range(len(reply.ids)))
            longer = [(*reply.ids, token) for token in range(END)]
            is_at_its_end = all(has_run_twice(ids, 2) or ids[-3:] in runs for ids in longer)
            assert len(reply.ids) >= 8 or is_at_its_end
            assert set(reply.ids) <= set(range(END))


def test_reply_ends_where_no_token_may_come() -> None:
    config = GenerationConfig(search="greedy", min_length=9, block_ngram=1)  # four tokens, each but once

    ((reply,),) = search(MadeUpModel([[1]], 3), [[1]], space(12), config)

    assert sorted(reply.ids) == [0, 1, 2, 3]


def test_run_that_stands_in_the_row_is_blocked() -> None:
    scores = np.zeros((2, VOCABULARY))
    tokens = np.array([[1, 2, 3, 1, 2], [1, 2, 3, 1, 1]], np.int32)

    block_ngrams(scores, tokens, tokens, 3)

    assert np.argwhere(np.isneginf(scores)).tolist() == [[0, 3]]


def test_draws_depend_on_seed_and_number_alone() -> None:
    contexts = [[1], [2], [3], [1]]
    config = GenerationConfig(search="nucleus", top_p=1.0, num_replies=3, seed=4)
    found = search(MadeUpModel(contexts, 7), contexts, space(8), config)

    assert search(MadeUpModel(contexts, 7), contexts, space(8), config) == found
    assert search(MadeUpModel(contexts[2:], 7), contexts[2:], space(8), config, numbers=[2, 3]) == found[2:]
    assert search(MadeUpModel(contexts, 7), contexts, space(8), replace(config, seed=5)) != found
    assert found[0] != found[3]  # another number, other draws
    assert len(set(found[0])) > 1


def test_draws_are_as_frequent_as_the_model_says() -> None:
    config = GenerationConfig(search="nucleus", top_p=1.0, num_replies=1000, block_ngram=0, min_length=0, temperature=0.5)
    model = MadeUpModel([[1]], 11)

    (found,) = search(model, [[1]], space(1), config)

    logits = model.logits((0, BEGIN))[: END + 1] / 0.5
    expected = np.exp(log_softmax(logits[None]))[0]
    drawn = [reply.ids[0] if reply.ids else END for reply in found]
    shares = np.bincount(drawn, minlength=END + 1) / 1000
    assert np.abs(shares - expected).max() < 4 * math.sqrt(0.25 / 1000)


def test_nucleus_is_the_fewest_likeliest_tokens() -> None:
    logits = np.log([[0.05, 0.4, 0.3, 0.05, 0.2]])

    assert nucleus(logits, 0.69).round(6).tolist() == [[0, 0.4, 0.3, 0, 0]]
    assert nucleus(logits, 0.75).round(6).tolist() == [[0, 0.4, 0.3, 0, 0.2]]
    assert nucleus(logits, 1e-6).round(6).tolist() == [[0, 0.4, 0, 0, 0]]
    assert nucleus(logits, 1.0, top_k=2).round(6).tolist() == [[0, round(4 / 7, 6), round(3 / 7, 6), 0, 0]]
