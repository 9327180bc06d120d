import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from threadmill.vocab.sampling import BottomSample, line_keys


def strings(values):
    return pa.array(values, pa.large_string())


def draw(parts, size, seed=0):
    """A sample of (group, line) pairs that come in parts."""
    sample = BottomSample(size)
    for part in parts:
        lines = strings([line for _, line in part])
        sample.add(line_keys(strings([group for group, _ in part]), lines, seed), lines)
    return sample.lines().to_pylist()


PAIRS = st.lists(st.tuples(st.sampled_from("abc"), st.text(max_size=4)), max_size=40)


@given(PAIRS, st.integers(1, 20), st.integers(1, 7), st.randoms())
def test_the_sample_depends_neither_on_order_nor_on_shards(pairs, size, shard, random_numbers):
    whole = draw([pairs], size)
    shuffled = random_numbers.sample(pairs, len(pairs))
    assert draw([shuffled[start : start + shard] for start in range(0, len(pairs), shard)], size) == whole


def test_a_line_that_a_thread_has_twice_counts_once_but_once_for_each_thread():
    assert sorted(draw([[("a", "yes"), ("a", "yes"), ("b", "yes"), ("a", "no")]], 10)) == ["no", "yes", "yes"]


def test_repeated_lines_are_counted_also_across_shards():
    sample = BottomSample(10)
    for _ in range(2):
        lines = strings(["yes", "yes", "no"])
        sample.add(line_keys(strings(["a", "a", "a"]), lines, 0), lines)
    assert len(sample.lines()) == 2
    assert sample.repeated == 4


def test_each_line_has_the_same_chance():
    pairs = [("a", str(number)) for number in range(200)]
    drawn = np.zeros(200)
    for seed in range(400):
        drawn[[int(line) for line in draw([pairs], 50, seed)]] += 1
    # 400 draws of chance 1/4: mean 100, deviation 8.7.
    assert drawn.sum() == 400 * 50
    assert abs(drawn.std() - 8.7) < 2
    assert drawn.min() > 60


def test_memory_stays_bounded_while_many_lines_pass():
    sample, held = BottomSample(1000), 0
    for shard in range(60):
        lines = strings([f"{shard} {number}" for number in range(10_000)])
        sample.add(line_keys(strings(["t"] * 10_000), lines, 0), lines)
        held = max(held, sum(len(part) for part in sample._lines))
    assert held < 120_000
    assert len(sample.lines()) == 1000
