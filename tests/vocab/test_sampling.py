from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from threadmill.vocab.sampling import BottomSample


def strings(values):
    return pa.array(values, pa.large_string())


def key_of(text, seed=0):
    """Any hash will do: equal texts have equal keys."""
    return np.random.default_rng([seed, *text.encode()]).integers(2**64, dtype=np.uint64)


def draw(parts, size, seed=0, max_bytes=1 << 30):
    sample = BottomSample(size, max_bytes)
    for part in parts:
        sample.add(np.array([key_of(line, seed) for line in part], np.uint64), strings(part))
    return sample.draw().lines.to_pylist()


LINES = st.lists(st.text("abc", max_size=3), max_size=40)


@given(LINES, st.integers(1, 20), st.integers(1, 30), st.integers(1, 7), st.randoms())
def test_the_sample_depends_neither_on_order_nor_on_shards(lines, size, max_bytes, shard, random_numbers):
    whole = draw([lines], size, max_bytes=max_bytes)
    shuffled = random_numbers.sample(lines, len(lines))
    parts = [shuffled[start : start + shard] for start in range(0, len(lines), shard)]
    assert sorted(draw(parts, size, max_bytes=max_bytes)) == sorted(whole)
    assert len(whole) <= size
    assert len(whole) <= 1 or sum(map(len, whole)) <= max_bytes


@given(LINES)
def test_where_all_lines_fit_all_are_drawn(lines):
    assert Counter(draw([lines[::2], lines[1::2]], 40)) == Counter(lines)


def test_a_text_that_fills_the_corpus_does_not_fill_the_sample():
    lines = ["again and again"] * 5000 + [f"line {number}" for number in range(5000)]
    for seed in range(5):
        counts = Counter(draw([lines], 1000, seed))
        assert sum(counts.values()) == 1000
        assert counts["again and again"] <= 10


def test_lines_are_left_out_where_they_would_be_too_much_text():
    lines = [f"{number:09}" for number in range(1000)]
    drawn = draw([lines[:500], lines[500:]], 1000, max_bytes=900)
    assert len(drawn) == 100
    assert set(drawn) <= set(lines)


def test_a_part_of_the_sample_and_the_rest_are_the_sample():
    sample = BottomSample(50)
    lines = [str(number) for number in range(200)]
    sample.add(np.array([key_of(line) for line in lines], np.uint64), strings(lines))
    drawn = sample.draw()
    part, rest = drawn.split(20)
    assert (len(part), len(rest)) == (20, 30)
    assert part.keys.max() < rest.keys.min()
    assert sorted(part.lines.to_pylist() + rest.lines.to_pylist()) == sorted(drawn.lines.to_pylist())


def test_each_line_has_the_same_chance():
    lines = [str(number) for number in range(200)]
    drawn = np.zeros(200)
    for seed in range(400):
        drawn[[int(line) for line in draw([lines], 50, seed)]] += 1
    # 400 draws of chance 1/4: mean 100, deviation 8.7.
    assert drawn.sum() == 400 * 50
    assert abs(drawn.std() - 8.7) < 2
    assert drawn.min() > 60


def test_memory_stays_bounded_while_many_lines_pass():
    sample, held = BottomSample(1000), 0
    random_numbers = np.random.default_rng(0)
    for shard in range(60):
        lines = strings([f"{shard} {number}" for number in range(10_000)])
        sample.add(random_numbers.integers(2**64, size=10_000, dtype=np.uint64), lines)
        held = max(held, sum(len(chunk[2]) for chunk in sample._chunks))
    assert held < 120_000
    assert len(sample.draw()) == 1000
