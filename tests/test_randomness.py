import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from threadmill.datasets.arrow_text import text_buffers
from threadmill.randomness import below, combine, hash_rows, mix, permutation, stream_key, uniform


def stream_of(key: int) -> np.ndarray:
    return np.array([key], np.uint64)


def test_mix_is_splitmix64():
    # The first outputs of the published SplitMix64 generator from seed 1234567.
    state, outputs = np.uint64(1234567), []
    with np.errstate(over="ignore"):
        for _ in range(5):
            state += np.uint64(0x9E3779B97F4A7C15)
            outputs.append(int(mix(state)))
    assert outputs == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]


def test_uniform_numbers_fill_the_unit_interval_evenly():
    stream = stream_of(7)
    numbers = np.array([uniform(stream) for _ in range(20_000)])
    assert numbers.min() >= 0
    assert numbers.max() < 1
    assert np.all(np.abs(np.histogram(numbers, 10, (0, 1))[0] - 2000) < 200)


def test_below_reaches_each_number_and_no_other():
    stream = stream_of(3)
    assert {below(stream, 5) for _ in range(500)} == {0, 1, 2, 3, 4}


def test_a_permutation_has_each_number_once_and_depends_on_its_key():
    first, second = permutation(np.uint64(1), 1000), permutation(np.uint64(2), 1000)
    assert sorted(first.tolist()) == list(range(1000))
    assert np.count_nonzero(first == second) < 20
    assert np.array_equal(first, permutation(np.uint64(1), 1000))


def test_streams_of_neighbouring_keys_are_not_alike():
    key = stream_key(0, "train-00000-of-00001")
    firsts = np.array([uniform(stream_of(int(combine(key, number)))) for number in range(2000)])
    assert abs(np.corrcoef(firsts[:-1], firsts[1:])[0, 1]) < 0.1
    assert abs(firsts.mean() - 0.5) < 0.03


def test_the_key_of_a_stream_keeps_its_parts_apart():
    assert stream_key("a", "bc") != stream_key("ab", "c")


@given(st.lists(st.tuples(st.text(), st.text()), min_size=1), st.integers(0, 2**63))
def test_rows_have_equal_hashes_only_where_both_strings_are_equal(rows, key):
    columns = [text_buffers(pa.array(column, pa.large_string())) for column in zip(*rows, strict=True)]
    hashes = hash_rows(np.uint64(key), *columns[0], *columns[1]).tolist()
    assert len(set(hashes)) == len(set(rows))
    assert len(set(zip(rows, hashes, strict=True))) == len(set(rows))
