import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pretraining.documents_of_lengths import document_of_token, documents_of_lengths
from threadmill.pretraining.masking import document_keys, lay_out
from threadmill.pretraining.sentence_pairs import A_LENGTH, B_LENGTH, DOCUMENT, IS_RANDOM, ORDINAL, plan_pairs

CLS, SEP = -1, -2


def pairs_of(documents, max_seq_length=64, short_seq_prob=0.1, seed=0, passage=0):
    """The plan, and each pair's sentences A and B as lists of tokens."""
    keys = document_keys(np.uint64(seed), documents.rows, passage)
    sentences = documents.sentences
    pairs = plan_pairs(
        *(sentences.offsets, documents.turns, documents.turn_offsets, documents.threads, keys, max_seq_length, short_seq_prob)
    )
    ids, mask, segments = (np.zeros((len(pairs), max_seq_length), np.int32) for _ in range(3))
    lay_out(pairs, sentences.ids, sentences.offsets, documents.turns, CLS, SEP, ids, mask, segments)
    sides = []
    for pair, row, ones, segment in zip(pairs, ids, mask, segments, strict=True):
        length = pair[A_LENGTH] + pair[B_LENGTH] + 3
        assert ones.tolist() == [1] * length + [0] * (max_seq_length - length)
        assert segment.tolist() == [0] * (pair[A_LENGTH] + 2) + [1] * (pair[B_LENGTH] + 1) + [0] * (max_seq_length - length)
        assert np.flatnonzero(row == CLS).tolist() == [0]
        assert np.flatnonzero(row == SEP).tolist() == [pair[A_LENGTH] + 1, length - 1]
        sides.append((row[1 : pair[A_LENGTH] + 1].tolist(), row[pair[A_LENGTH] + 2 : length - 1].tolist()))
    return pairs, sides


def runs_on(tokens):
    return tokens == list(range(tokens[0], tokens[0] + len(tokens)))


LENGTHS = st.lists(st.lists(st.lists(st.integers(1, 90), min_size=1, max_size=7), min_size=1, max_size=4), min_size=1, max_size=5)


@given(LENGTHS, st.integers(5, 70), st.sampled_from([0.0, 0.1, 1.0]), st.integers(0, 2**32))
def test_every_pair_holds_whatever_the_documents_are(threads, max_seq_length, short_seq_prob, seed):
    documents = documents_of_lengths(threads)
    document_of = document_of_token(documents)
    thread_of = [number for number, thread in enumerate(threads) for _ in thread]
    pairs, sides = pairs_of(documents, max_seq_length, short_seq_prob, seed)
    for pair, (a, b) in zip(pairs, sides, strict=True):
        assert len(a) >= 1
        assert len(b) >= 1
        assert len(a) + len(b) <= max_seq_length - 3
        assert runs_on(a)
        assert runs_on(b)
        assert {document_of[token] for token in a} == {pair[DOCUMENT]}
        (partner,) = {document_of[token] for token in b}
        if pair[IS_RANDOM]:
            assert thread_of[partner] != thread_of[pair[DOCUMENT]]
        else:
            assert partner == pair[DOCUMENT]
            assert a[-1] < b[0]
    turns = np.diff(documents.turn_offsets)
    having_pairs = set(pairs[:, DOCUMENT].tolist())
    assert having_pairs >= set(np.flatnonzero(turns >= 2).tolist())
    assert len(threads) == 1 or len(having_pairs) == len(documents)
    assert np.all(np.bincount(pairs[:, DOCUMENT], minlength=len(turns)) <= turns)
    for document in having_pairs:
        own = pairs[pairs[:, DOCUMENT] == document, ORDINAL]
        assert np.array_equal(own, np.arange(len(own)))


def test_short_documents_get_a_fair_coin_for_the_next_sentence():
    documents = documents_of_lengths([[[5, 8]] for _ in range(4000)])
    pairs, _ = pairs_of(documents)
    assert abs(pairs[:, IS_RANDOM].mean() - 0.5) < 0.02


def test_random_partners_come_from_all_other_threads_evenly():
    documents = documents_of_lengths([[[3, 3]] * 3, [[3, 3]] * 2, [[3, 3]]])
    document_of = document_of_token(documents)
    partners = np.zeros(6)
    for seed in range(3000):
        pairs, sides = pairs_of(documents, seed=seed)
        for pair, (_, b) in zip(pairs, sides, strict=True):
            if pair[IS_RANDOM] and pair[DOCUMENT] == 0:
                partners[document_of[b[0]]] += 1
    assert partners[:3].sum() == 0
    assert np.all(np.abs(partners[3:] / partners.sum() - 1 / 3) < 0.04)


def test_a_shard_of_one_thread_has_true_pairs_only_and_never_itself_as_random():
    pairs, _ = pairs_of(documents_of_lengths([[[4, 4, 4], [4, 4]]]))
    assert len(pairs) > 0
    assert not pairs[:, IS_RANDOM].any()


def test_a_lone_turn_gets_a_random_partner_or_none():
    assert pairs_of(documents_of_lengths([[[4]], [[4]]]))[0][:, IS_RANDOM].tolist() == [1, 1]
    assert len(pairs_of(documents_of_lengths([[[4]]]))[0]) == 0


def test_without_short_sequences_nor_long_turns_nothing_of_a_true_document_is_lost():
    documents = documents_of_lengths([[[5, 6, 7, 8]]])
    for seed in range(20):
        _, sides = pairs_of(documents, short_seq_prob=0.0, seed=seed)
        assert sorted(token for a, b in sides for token in a + b) == list(range(26))


def test_passes_and_seeds_differ_and_repeat():
    documents = documents_of_lengths([[[5, 6, 7, 8]] for _ in range(50)])
    plans = [pairs_of(documents, seed=seed, passage=passage)[0].tobytes() for seed in (0, 1) for passage in (0, 1)]
    assert len(set(plans)) == 4
    assert pairs_of(documents)[0].tobytes() == plans[0]


def test_a_document_keeps_its_pairs_when_documents_after_it_change():
    """As long as there are as many: a random partner is drawn from the whole shard."""
    few, more = ([[[9, 9, 9]] for _ in range(20)] + [[[length] * 4]] for length in (5, 6))
    first, second = (pairs_of(documents_of_lengths(threads))[0] for threads in (few, more))
    own = [plan[(plan[:, DOCUMENT] == 0) & (plan[:, IS_RANDOM] == 0)] for plan in (first, second)]
    assert np.array_equal(*own)


@pytest.mark.parametrize("short_seq_prob", [0.0, 1.0])
def test_long_documents_are_cut_as_the_original_cuts_them(short_seq_prob):
    rng = random.Random(0)
    lengths = [[rng.randint(3, 25) for _ in range(rng.randint(20, 60))] for _ in range(1000)]
    ours, _ = pairs_of(documents_of_lengths([[document] for document in lengths]), 128, short_seq_prob)
    theirs = np.array(
        [pair for number in range(len(lengths)) for pair in original_pairs(lengths, number, 128, short_seq_prob, rng)]
    )
    assert len(ours) == pytest.approx(len(theirs), rel=0.03)
    for column, length in enumerate((A_LENGTH, B_LENGTH)):
        assert ours[:, length].mean() == pytest.approx(theirs[:, column].mean(), rel=0.05)
        for share in (0.1, 0.5, 0.9):
            assert np.quantile(ours[:, length], share) == pytest.approx(np.quantile(theirs[:, column], share), abs=4)
    if not short_seq_prob:  # with short targets the original pairs most single sentences with random ones: the fault mended
        assert ours[:, IS_RANDOM].mean() == pytest.approx(theirs[:, 2].mean(), abs=0.04)


def original_pairs(documents, number, max_seq_length, short_seq_prob, rng):
    """(length of A, length of B, random) of one document by the published algorithm, in plain Python."""
    most = max_seq_length - 3
    target = rng.randint(2, most) if rng.random() < short_seq_prob else most
    pairs, chunk, position = [], [], 0
    while position < len(documents[number]):
        chunk.append(documents[number][position])
        if position == len(documents[number]) - 1 or sum(chunk) >= target:
            a_end = rng.randint(1, len(chunk) - 1) if len(chunk) >= 2 else 1
            is_random = len(chunk) == 1 or rng.random() < 0.5
            b_turns = chunk[a_end:]
            if is_random:
                other = rng.choice([document for index, document in enumerate(documents) if index != number])
                b_turns = []
                for turn in other[rng.randint(0, len(other) - 1) :]:
                    b_turns.append(turn)
                    if sum(b_turns) >= target - sum(chunk[:a_end]):
                        break
                position -= len(chunk) - a_end
            a, b = sum(chunk[:a_end]), sum(b_turns)
            while a + b > most:
                a, b = (a - 1, b) if a > b else (a, b - 1)
            pairs.append((a, b, int(is_random)))
            chunk = []
        position += 1
    return pairs
