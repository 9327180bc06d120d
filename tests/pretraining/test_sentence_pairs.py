import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pretraining.classic import instances_from_document
from tests.pretraining.documents_of_lengths import document_of_token, documents_of_lengths
from threadmill.documents.sources import CONVERSATIONS_KIND, TEXT_KIND
from threadmill.pretraining.sentence_pairs import (
    A_LENGTH,
    A_SENTENCE,
    B_LENGTH,
    COLUMNS,
    IS_RANDOM,
    KEY,
    STATE,
    lay_out,
    plan_pairs,
    plan_runs,
)

CLS, SEP, PAD = -1, -2, -3


def planned(store, max_seq_length=64, short_seq_prob=0.1, seed=0, block=7, fewest=1, pairs=True):
    """All rows of one pass over the store's part, planned in blocks of a few rows."""
    part = store.parts[0]
    documents, stream = np.array([part.first, part.stop]), np.zeros(1, np.uint64)
    state, blocks = np.zeros(STATE, np.int64), []
    state[:2] = part.first, -1
    while not blocks or len(blocks[-1]) == block:
        rows = np.empty((block, COLUMNS), np.int64)
        rest = (documents, fewest, np.uint64(seed), max_seq_length - (3 if pairs else 2), short_seq_prob, state, stream, rows)
        arrays = (store.lengths, store.document_offsets)
        count = plan_pairs(*arrays, store.groups, store.group_offsets, *rest) if pairs else plan_runs(*arrays, *rest)
        blocks.append(rows[:count])
    return np.concatenate(blocks)


def laid_out(store, rows, max_seq_length=64):
    """The sentences A and B of each row as lists of tokens; checks what stands around them."""
    size = max_seq_length
    values, tokens = np.full((len(rows), 3 * size + 1), 99, np.int32), np.empty(len(rows), np.int64)
    columns = np.array([0, size, 2 * size, 3 * size])
    lay_out(rows, store.ids, store.starts, store.lengths, store.is_contiguous, CLS, SEP, PAD, size, columns, values, tokens)
    sides = []
    for row, line, length in zip(rows, values.tolist(), tokens.tolist(), strict=True):
        ids, mask, segments, label = line[:size], line[size : 2 * size], line[2 * size : 3 * size], line[3 * size]
        a, b = int(row[A_LENGTH]), int(row[B_LENGTH])
        assert length == a + b + (3 if b else 2)
        assert mask == [1] * length + [0] * (size - length)
        assert segments == [0] * (a + 2) + [1] * (length - a - 2) + [0] * (size - length)
        assert label == row[IS_RANDOM]
        assert ids[0] == CLS
        assert ids[length:] == [PAD] * (size - length)
        assert [place for place, token in enumerate(ids) if token == SEP] == ([a + 1, length - 1] if b else [a + 1])
        sides.append((ids[1 : a + 1], ids[a + 2 : length - 1]))
    return sides


def pairs_of(store, max_seq_length=64, short_seq_prob=0.1, seed=0):
    rows = planned(store, max_seq_length, short_seq_prob, seed)
    return rows, laid_out(store, rows, max_seq_length)


def documents_of(store, rows):
    """int64[n]: the document that each row was made from."""
    return np.searchsorted(store.document_offsets, rows[:, A_SENTENCE], side="right") - 1


def runs_on(tokens):
    return tokens == list(range(tokens[0], tokens[0] + len(tokens)))


LENGTHS = st.lists(st.lists(st.lists(st.integers(1, 90), min_size=1, max_size=7), min_size=1, max_size=4), min_size=1, max_size=5)


@given(
    LENGTHS,
    st.integers(5, 70),
    st.sampled_from([0.0, 0.1, 1.0]),
    st.integers(0, 2**32),
    st.sampled_from([TEXT_KIND, CONVERSATIONS_KIND]),
)
def test_every_pair_holds_whatever_the_documents_are(threads, max_seq_length, short_seq_prob, seed, kind):
    store = documents_of_lengths(threads, kind)
    document_of = document_of_token(store)
    thread_of = [number for number, thread in enumerate(threads) for _ in thread]
    rows, sides = pairs_of(store, max_seq_length, short_seq_prob, seed)
    owners = documents_of(store, rows)
    for row, owner, (a, b) in zip(rows, owners, sides, strict=True):
        assert len(a) >= 1
        assert len(b) >= 1
        assert len(a) + len(b) <= max_seq_length - 3
        assert runs_on(a)
        assert runs_on(b)
        assert {document_of[token] for token in a} == {owner}
        (partner,) = {document_of[token] for token in b}
        if row[IS_RANDOM]:
            assert thread_of[partner] != thread_of[owner]
        else:
            assert partner == owner
            assert a[-1] < b[0]
    sentences, tokens = np.diff(store.document_offsets), np.bincount(document_of, minlength=store.documents)
    can_have = (tokens > 1) if len(threads) == 1 else np.ones(store.documents, bool)
    assert set(owners.tolist()) == set(np.flatnonzero(can_have).tolist())
    assert np.all(np.bincount(owners, minlength=len(sentences)) <= sentences)


@given(LENGTHS, st.integers(1, 40), st.integers(0, 2**32))
def test_a_plan_does_not_depend_on_its_blocks(threads, block, seed):
    store = documents_of_lengths(threads)
    for pairs in (True, False):
        in_blocks, at_once = (planned(store, 24, seed=seed, block=size, pairs=pairs) for size in (block, 5000))
        assert np.array_equal(in_blocks, at_once)
        assert len(np.unique(at_once[:, KEY])) == len(at_once)


def test_short_documents_get_a_fair_coin_for_the_next_sentence():
    rows, _ = pairs_of(documents_of_lengths([[[5, 8]] for _ in range(4000)]))
    assert abs(rows[:, IS_RANDOM].mean() - 0.5) < 0.02


def test_documents_of_one_sentence_get_a_fair_coin_too_and_the_cut_does_not_tell_it():
    store = documents_of_lengths([[[12]] for _ in range(4000)])
    rows, sides = pairs_of(store)
    assert len(rows) == 4000
    assert abs(rows[:, IS_RANDOM].mean() - 0.5) < 0.02
    for column in (A_LENGTH, B_LENGTH):
        random, true = (rows[rows[:, IS_RANDOM] == label, column] for label in (1, 0))
        assert abs(random.mean() - true.mean()) < 0.3
    assert all(b[-1] % 12 == 11 and b[0] % 12 for _, b in sides)


def test_random_partners_come_from_all_other_threads_evenly():
    store = documents_of_lengths([[[3, 3]] * 3, [[3, 3]] * 2, [[3, 3]]])
    document_of = document_of_token(store)
    partners = np.zeros(6)
    for seed in range(3000):
        rows, sides = pairs_of(store, seed=seed)
        for row, owner, (_, b) in zip(rows, documents_of(store, rows), sides, strict=True):
            if row[IS_RANDOM] and owner == 0:
                partners[document_of[b[0]]] += 1
    assert partners[:3].sum() == 0
    assert np.all(np.abs(partners[3:] / partners.sum() - 1 / 3) < 0.04)


def test_one_thread_has_true_pairs_only_and_never_itself_as_random():
    rows, _ = pairs_of(documents_of_lengths([[[4, 4, 4], [4, 4], [4]]]))
    assert len(rows) >= 3
    assert not rows[:, IS_RANDOM].any()


def test_a_lone_token_gets_a_random_partner_or_none():
    assert pairs_of(documents_of_lengths([[[1]], [[1]]]))[0][:, IS_RANDOM].tolist() == [1, 1]
    assert len(pairs_of(documents_of_lengths([[[1]]]))[0]) == 0


def test_documents_of_too_few_sentences_are_passed_over():
    store = documents_of_lengths([[[4]], [[4, 4]], [[4]]])
    assert set(documents_of(store, planned(store, fewest=2)).tolist()) == {1}


def test_without_short_sequences_nor_long_sentences_nothing_of_a_true_document_is_lost():
    store = documents_of_lengths([[[5, 6, 7, 8]]])
    for seed in range(20):
        _, sides = pairs_of(store, short_seq_prob=0.0, seed=seed)
        assert sorted(token for a, b in sides for token in a + b) == list(range(26))


def test_seeds_differ_and_repeat():
    store = documents_of_lengths([[[5, 6, 7, 8]] for _ in range(50)])
    plans = [planned(store, seed=seed).tobytes() for seed in (0, 1, 0)]
    assert plans[0] == plans[2] != plans[1]


def test_a_document_keeps_its_pairs_when_documents_after_it_change():
    """As long as there are as many: a random partner is drawn from the whole corpus."""
    first, second = (documents_of_lengths([[[9, 9, 9]] for _ in range(20)] + [[[length] * 4]]) for length in (5, 6))
    own = [
        rows[(documents_of(store, rows) == 0) & (rows[:, IS_RANDOM] == 0)]
        for store in (first, second)
        if len(rows := planned(store))
    ]
    assert np.array_equal(*own)


@given(LENGTHS, st.integers(5, 70), st.sampled_from([0.0, 1.0]), st.integers(0, 2**32))
def test_every_token_is_in_one_run_of_its_document(threads, max_seq_length, short_seq_prob, seed):
    store = documents_of_lengths(threads)
    document_of = document_of_token(store)
    rows = planned(store, max_seq_length, short_seq_prob, seed, pairs=False)
    runs = [a for a, b in laid_out(store, rows, max_seq_length) if not b]
    assert len(runs) == len(rows)
    assert sorted(token for run in runs for token in run) == store.ids.tolist()
    assert all(runs_on(run) and len({document_of[token] for token in run}) == 1 for run in runs)
    starts = set(store.starts.tolist())
    long = np.repeat(store.lengths, store.lengths) > (max_seq_length - 2 if not short_seq_prob else 1)
    assert all(run[0] in starts or long[run[0]] for run in runs), "only a sentence longer than a run is cut"


@pytest.mark.parametrize(
    ("short_seq_prob", "count", "sentences", "tolerance"), [(0.0, 1000, (20, 60), 0.01), (1.0, 3000, (10, 20), 0.03)]
)
def test_long_documents_are_cut_as_the_original_cuts_them(short_seq_prob, count, sentences, tolerance):
    """Tolerances: 1 % of instances, 5 % of the mean lengths of A and B, 4 tokens at their quantiles, .04 of random B.

    With short targets 3 % of instances: a document of a very short one has very many, so that their number varies.
    """
    rng = random.Random(0)
    lengths = [[rng.randint(3, 25) for _ in range(rng.randint(*sentences))] for _ in range(count)]
    ours = planned(documents_of_lengths([[document] for document in lengths]), 128, short_seq_prob, block=5000)
    documents = [[[0] * length for length in document] for document in lengths]
    theirs = np.array(
        [
            (len(a), len(b), is_random)
            for number in range(len(documents))
            for a, b, is_random in instances_from_document(documents, number, 128, short_seq_prob, rng)
        ]
    )
    assert len(ours) == pytest.approx(len(theirs), rel=tolerance)
    for column, length in enumerate((A_LENGTH, B_LENGTH)):
        assert ours[:, length].mean() == pytest.approx(theirs[:, column].mean(), rel=0.05)
        for share in (0.1, 0.5, 0.9):
            assert np.quantile(ours[:, length], share) == pytest.approx(np.quantile(theirs[:, column], share), abs=4)
    if not short_seq_prob:  # with short targets the original pairs most single sentences with random ones: the fault mended
        assert ours[:, IS_RANDOM].mean() == pytest.approx(theirs[:, 2].mean(), abs=0.04)
