import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.pretraining.documents_of_sentences import DOCUMENTS, FIRST, PAD, SEP, Sentences, planned, sentences_of_lengths
from threadmill.pretraining.token_runs import COLUMNS, KEY, lay_out_runs, plan_runs
from threadmill.randomness import stream_key

LENGTHS = st.integers(2, 20)


def runs(sentences: Sentences, length: int, separate_turns: bool, seed: int = -1) -> tuple[np.ndarray, np.ndarray]:
    """The ids and segments; the mask and the keys are checked here. A ``seed`` shifts the runs."""
    rows = planned(plan_runs, sentences, COLUMNS, 3, 0, stream_key(seed), length, seed >= 0, separate_turns)
    assert len(set(rows[:, KEY].tolist())) == len(rows)
    values = np.full((len(rows), 3 * length), -1, np.int32)
    store = (sentences.ids, sentences.starts, sentences.lengths, sentences.ends)
    segments = lay_out_runs(rows, *store, SEP, PAD, length, np.array([0, length, 2 * length]), values)
    input_ids, input_mask, segment_ids = np.split(values, 3, axis=1)
    assert set(input_mask.flat) <= {0, 1}
    assert ((input_ids != PAD) == (input_mask == 1)).all()
    assert ((segment_ids > 0) == (input_mask == 1)).all()
    assert segments == segment_ids.max(axis=1, initial=0).sum()
    return input_ids, segment_ids


def shown(documents: list[list[int]], length: int, separate_turns: bool = False) -> list[str]:
    """Each run as letters and | for separators, a slash before a new segment."""
    texts = []
    for ids, segments in zip(*runs(sentences_of_lengths(documents), length, separate_turns), strict=True):
        tokens = ["|" if token == SEP else chr(ord("a") + token - FIRST) for token in ids[ids != PAD]]
        texts.append(
            "".join(("/" if new else "") + token for token, new in zip(tokens, np.diff(segments, prepend=1), strict=False))
        )
    return texts


def test_a_separator_ends_each_document_of_text():
    assert shown([[2, 1], [4]], 6) == ["abc|/de", "fg|"]


def test_a_separator_ends_each_turn_of_a_thread():
    assert shown([[2, 1], [4]], 6, separate_turns=True) == ["ab|c|/d", "efg|"]


def test_a_separator_that_has_no_room_begins_the_next_run():
    assert shown([[4], [1]], 4) == ["abcd", "|/e|"]


@given(DOCUMENTS, LENGTHS, st.booleans(), st.booleans())
def test_the_runs_are_all_documents_end_to_end(documents, length, separate, scattered):
    sentences = sentences_of_lengths(documents, scattered=scattered)
    wanted, token = [], FIRST
    for document in documents:
        for place, size in enumerate(document):
            wanted += range(token, token + size)
            token += size
            if separate or place == len(document) - 1:
                wanted.append(SEP)
    input_ids, _ = runs(sentences, length, separate)
    assert input_ids[input_ids != PAD].tolist() == wanted
    assert (input_ids[:-1] != PAD).all()  # only the last run has padding


@given(DOCUMENTS, LENGTHS, st.booleans())
def test_a_segment_is_of_one_document_and_segments_are_numbered_from_one(documents, length, separate):
    sentences = sentences_of_lengths(documents)
    for ids, segments in zip(*runs(sentences, length, separate), strict=True):
        used = segments[segments > 0]
        assert used[0] == 1
        assert set(np.diff(used)) <= {0, 1}
        owners = [
            {sentences.document_of[token] for token in ids[segments == number].tolist() if token != SEP}
            for number in range(1, used[-1] + 1)
        ]
        assert all(len(owner) == 1 for owner in owners[1:])
        assert len(owners[0]) <= 1
        assert len(set().union(*owners)) == sum(map(len, owners))


def test_another_key_shifts_the_runs():
    sentences = sentences_of_lengths([[5, 9, 7], [8, 8]])
    made = [runs(sentences, 6, False, seed)[0] for seed in range(8)]
    assert len({int((ids[0] != PAD).sum()) for ids in made}) > 2
    for ids in made:
        assert ids[(ids != PAD) & (ids != SEP)].tolist() == sentences.tokens
        assert (ids[1:-1] != PAD).all()
