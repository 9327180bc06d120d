import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from threadmill.pretraining.packing import pack
from threadmill.randomness import stream_key

PAIRS = st.lists(st.tuples(st.integers(1, 20), st.integers(1, 10)), min_size=1, max_size=60)


def lengths_like_a_forum(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Lengths of contexts and responses, skewed as they are: most are short."""
    rng = np.random.default_rng(0)
    first, second = (np.exp(rng.normal(mean, 1, count)).astype(np.int64) + 1 for mean in (3.3, 2.7))
    return np.minimum(first, 128), np.minimum(second, 64)


def padding(first, second, records) -> float:
    return 1 - (first.sum() + second.sum()) / ((records.max() + 1) * (128 + 64))


@given(PAIRS, st.integers(1, 9), st.integers(0, 3))
def test_every_pair_has_a_record_and_no_record_is_too_full(pairs, buckets, seed):
    first, second = np.array(pairs, np.int64).T
    records = pack(first, second, (20, 10), buckets, stream_key(seed))
    assert sorted(set(records.tolist())) == list(range(records.max() + 1))
    assert np.bincount(records, first).max() <= 20
    assert np.bincount(records, second).max() <= 10


def test_buckets_leave_little_padding():
    first, second = lengths_like_a_forum(2048)
    key = stream_key("packing")
    records = pack(first, second, (128, 64), 8, key)
    with_buckets, without = (padding(first, second, made) for made in (records, pack(first, second, (128, 64), 1, key)))
    alone = padding(first, second, np.arange(len(first)))
    assert with_buckets < without < alone
    fewest = max(first.sum() / 128, second.sum() / 64)  # what would hold them if pairs could be cut
    assert records.max() + 1 < 1.15 * fewest


def test_the_key_decides_who_meets_whom():
    first, second = np.full(100, 5), np.full(100, 5)
    one, same, other = (pack(first, second, (20, 20), 4, stream_key(seed)) for seed in (0, 0, 1))
    assert (one == same).all()
    assert (one != other).any()
