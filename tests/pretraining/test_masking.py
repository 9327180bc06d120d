import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.pretraining.documents_of_lengths import documents_of_lengths
from threadmill.pretraining.bert import bert_tables, measure_bert
from threadmill.pretraining.config import BertConfig
from threadmill.pretraining.documents import Documents
from threadmill.vocab.config import SPECIAL_TOKENS
from threadmill.vocab.vocabulary import TokenLines, Vocabulary

VOCABULARY = Vocabulary((*SPECIAL_TOKENS, *(f"w{number}" for number in range(195))))
PAD, _, CLS, SEP, MASK = range(5)


def ordinary(documents: Documents) -> Documents:
    """The documents with tokens of the vocabulary, none special."""
    ids = (documents.sentences.ids % 195 + 5).astype(np.int32)
    parts = documents.turns, documents.turn_offsets, documents.threads, documents.rows
    return Documents(TokenLines(ids, documents.sentences.offsets), *parts)


def instances(threads, config, seed=0, passage=0):
    tables = bert_tables(ordinary(documents_of_lengths(threads)), VOCABULARY, config, np.uint64(seed), passage)
    return [row for table in tables for row in table.to_pylist()]


def restored(row):
    """The tokens of an instance as they were before masking."""
    tokens = list(row["input_ids"])
    for place, label, weight in zip(row["masked_lm_positions"], row["masked_lm_ids"], row["masked_lm_weights"], strict=True):
        if weight:
            tokens[place] = label
    return tokens


LENGTHS = st.lists(st.lists(st.lists(st.integers(1, 70), min_size=1, max_size=6), min_size=1, max_size=3), min_size=1, max_size=4)


@given(LENGTHS, st.integers(5, 64), st.integers(1, 64), st.floats(0.01, 1), st.integers(0, 2**32))
def test_every_instance_is_well_formed(threads, max_seq_length, predictions, probability, seed):
    config = BertConfig(max_seq_length, min(predictions, max_seq_length), probability)
    for row in instances(threads, config, seed):
        length = sum(row["input_mask"])
        tokens = restored(row)
        assert row["input_mask"] == [1] * length + [0] * (max_seq_length - length)
        assert tokens[length:] == row["input_ids"][length:] == [PAD] * (max_seq_length - length)
        assert tokens[0] == CLS
        assert [place for place, token in enumerate(tokens) if token == SEP] == [row["segment_ids"].index(1) - 1, length - 1]
        assert all(token >= 5 for place, token in enumerate(tokens[:length]) if token not in (CLS, SEP))
        count = int(sum(row["masked_lm_weights"]))
        assert count == min(config.max_predictions_per_seq, length - 3, max(1, round(length * probability)))
        assert row["masked_lm_weights"] == [1.0] * count + [0.0] * (config.max_predictions_per_seq - count)
        places = row["masked_lm_positions"][:count]
        assert places == sorted(set(places))
        assert all(tokens[place] >= 5 for place in places)
        assert all(row["input_ids"][place] == MASK or row["input_ids"][place] >= 5 for place in places)
        assert set(row["masked_lm_positions"][count:]) | set(row["masked_lm_ids"][count:]) <= {0}
        unmasked = set(range(max_seq_length)) - set(places)
        assert all(row["input_ids"][place] == tokens[place] for place in unmasked)
        assert row["next_sentence_labels"] in ([0], [1])


def test_the_count_of_masked_tokens_rounds_halves_to_the_even_number():
    # A and B of 7 and 8 tokens: 10 x .15 = 1.5 becomes 2; 5 + 2 and 3: 30 x .15 = 4.5 becomes 4.
    for total, expected in ((7, 2), (27, 4)):
        rows = instances([[[total // 2, total - total // 2]]] * 2, BertConfig(64, short_seq_prob=0.0))
        assert {sum(row["masked_lm_weights"]) for row in rows if sum(row["input_mask"]) == total + 3} == {expected}


@pytest.fixture(scope="module")
def many():
    rng = np.random.default_rng(0)
    threads = [[rng.integers(5, 35, 5).tolist()] for _ in range(1500)]
    return instances(threads, BertConfig(max_seq_length=64, max_predictions_per_seq=20))


def test_fifteen_in_a_hundred_tokens_are_masked(many):
    masked = sum(sum(row["masked_lm_weights"]) for row in many)
    # Most instances have 64 tokens, of which 9.6 are to be masked, and so 10 are.
    assert masked / sum(sum(row["input_mask"]) for row in many) == pytest.approx(0.15, abs=0.006)


def test_of_them_eighty_become_mask_ten_stay_and_ten_become_random(many):
    kinds = {"mask": 0, "same": 0, "other": 0}
    for row in many:
        for place, label, weight in zip(row["masked_lm_positions"], row["masked_lm_ids"], row["masked_lm_weights"], strict=True):
            if weight:
                seen = row["input_ids"][place]
                kinds["mask" if seen == MASK else "same" if seen == label else "other"] += 1
    total = sum(kinds.values())
    assert total > 15_000
    assert kinds["mask"] / total == pytest.approx(0.8, abs=0.01)
    assert kinds["same"] / total == pytest.approx(0.1, abs=0.01)
    assert kinds["other"] / total == pytest.approx(0.1, abs=0.01)


def test_random_replacements_are_drawn_evenly_from_all_ordinary_tokens(many):
    others = np.zeros(200)
    for row in many:
        for place, label in zip(row["masked_lm_positions"], row["masked_lm_ids"], strict=True):
            if row["input_ids"][place] not in (MASK, label) and label:
                others[row["input_ids"][place]] += 1
    assert others[:5].sum() == 0
    assert np.count_nonzero(others[5:]) == 195
    assert others[5:].max() < 3 * others[5:].mean()


def test_masks_fall_evenly_over_the_places_of_a_sentence(many):
    full = [row for row in many if sum(row["input_mask"]) == 64]
    counts = np.zeros(64)
    for row in full:
        counts[[place for place, weight in zip(row["masked_lm_positions"], row["masked_lm_weights"], strict=True) if weight]] += 1
    inner = counts[1:63]
    assert counts[0] == counts[63] == 0
    # [SEP] in the middle stands at some places more often, which lowers these a little.
    assert inner.min() > 0.75 * inner.mean()
    assert inner.max() < 1.25 * inner.mean()


def test_the_next_sentence_is_random_half_of_the_time(many):
    assert sum(row["next_sentence_labels"][0] for row in many) / len(many) == pytest.approx(0.5, abs=0.025)


def test_passes_mask_differently_and_in_another_order():
    threads = [[[9, 9, 9]] for _ in range(30)]
    config = BertConfig(32)
    first, second = (instances(threads, config, passage=passage) for passage in (0, 1))
    assert first == instances(threads, config, passage=0)
    assert first != second
    assert [restored(row) for row in first] != [restored(row) for row in second]


def test_instances_are_shuffled_over_the_shard():
    rows = instances([[[20, 20]] for _ in range(300)], BertConfig(max_seq_length=64, short_seq_prob=0.0))
    firsts = np.array([restored(row)[1] for row in rows])
    assert abs(np.corrcoef(firsts[:-1], firsts[1:])[0, 1]) < 0.15


def test_more_instances_than_a_block_are_all_there():
    threads = [[[3, 3]] for _ in range(8000)]
    config = BertConfig(max_seq_length=16, max_predictions_per_seq=3)
    tables = list(bert_tables(ordinary(documents_of_lengths(threads)), VOCABULARY, config, np.uint64(0), 0))
    assert len(tables) > 1
    measured = [measure_bert(table) for table in tables]
    assert sum(part["instances"] for part in measured) == sum(table.num_rows for table in tables) > 8192
    assert sum(part["tokens"] for part in measured) == sum(
        sum(row) for table in tables for row in table["input_mask"].to_pylist()
    )
