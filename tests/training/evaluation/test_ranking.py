from collections.abc import Sequence

import numpy as np
import pytest

from threadmill.training.evaluation.ranking import (
    Pair,
    PairSample,
    Ranking,
    are_first,
    information,
    rank_responses,
    sample_size,
    unpack_pairs,
)

SEP = 3


def packed(*records: Sequence[Pair]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """A batch of seq2seq records of these pairs."""
    shape = (len(records), 12)
    tokens, segments, begun, response_segments, responses = (np.zeros(shape, np.int32) for _ in range(5))
    for row, pairs in enumerate(records):
        encoder = decoder = 0
        for number, pair in enumerate(pairs, 1):
            stop = encoder + len(pair.context)
            tokens[row, encoder:stop], segments[row, encoder:stop] = pair.context, number
            encoder, stop = stop, decoder + len(pair.response)
            responses[row, decoder:stop], response_segments[row, decoder:stop] = pair.response, number
            begun[row, decoder:stop] = (2, *pair.response[:-1])
            decoder = stop
    inputs = {
        "encoder_token_ids": tokens,
        "encoder_segment_ids": segments,
        "decoder_token_ids": begun,
        "decoder_segment_ids": response_segments,
    }
    return inputs, {"response_ids": responses}


PAIRS = [Pair((number, number + 1), (number + 100, SEP)) for number in range(10, 30)]


def alike(contexts: Sequence[tuple[int, ...]], responses: Sequence[tuple[int, ...]]) -> np.ndarray:
    """Each response is told by its own context; those of high numbers are always the likelier ones."""
    own = np.array([[response[0] == context[0] + 100 for response in responses] for context in contexts])
    return 0.1 * own + np.array([response[0] for response in responses])


def test_packed_pairs_are_taken_apart() -> None:
    records = [PAIRS[0], PAIRS[1], PAIRS[2]], [PAIRS[3]]

    assert list(unpack_pairs(*packed(*records))) == PAIRS[:4]


def test_sample_depends_on_the_pairs_alone() -> None:
    one, other = PairSample(6), PairSample(6)
    one.add(*packed(PAIRS[:3], PAIRS[3:6]))
    one.add(*packed(*([pair] for pair in PAIRS[6:])))
    other.add(*packed(*([pair, pair] for pair in reversed(PAIRS))))

    assert one.pairs == other.pairs
    assert len(set(one.pairs)) == 6
    assert one.begin == 2
    everything = PairSample(100)
    everything.add(*packed(*([pair] for pair in PAIRS)))
    assert everything.pairs[:6] == one.pairs
    assert sorted(everything.pairs, key=lambda pair: pair.context) == PAIRS


def test_first_is_who_has_the_highest_score_alone() -> None:
    scores = np.array([[3.0, 1.0, 2.0], [1.0, 2.0, 3.0], [1.0, 4.0, 4.0]])

    assert are_first(scores, [0, 1, 2]).tolist() == [True, False, False]  # the last one is a tie


def test_response_that_stands_twice_in_its_group_is_a_tie() -> None:
    scores = np.array([[3.0, 1.0], [3.0, 1.0], [1.0, 3.0]])

    assert are_first(scores, [0, 0, 1]).tolist() == [False, False, True]


def test_information_is_what_a_context_adds() -> None:
    logarithms, background = np.log([[0.2, 0.4]]), np.log([[0.1, 0.4], [0.1, 0.6]])

    assert information(logarithms, background)[0] == pytest.approx([np.log(2), np.log(0.8)])


def test_likely_responses_do_not_outrank_those_that_the_context_tells() -> None:
    *_, ranking = rank_responses(PAIRS, 5, 100, alike)

    assert ranking == Ranking(found=15, contexts=15, candidates=5)  # the other 5 are the background
    assert ranking.scores() == {
        "ranking_accuracy": 1.0,
        "ranking_chance": 0.2,
        "ranking_candidates": 5,
        "ranking_contexts": 15,
    }


def test_contexts_are_bounded_and_candidates_are_not() -> None:
    assert [ranking.contexts for ranking in rank_responses(PAIRS, 5, 7, alike)] == [5, 7]
    assert [ranking.candidates for ranking in rank_responses(PAIRS, 5, 7, alike)] == [5, 5]
    assert sample_size(candidates=100, contexts=250) == 300 + 16


def test_fewer_pairs_are_one_group() -> None:
    (ranking,) = rank_responses(PAIRS, 100, 1000, alike)

    assert (ranking.contexts, ranking.candidates) == (15, 15)
