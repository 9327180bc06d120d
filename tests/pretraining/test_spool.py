import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill.pretraining.spool import RowSpool

KEYS = st.one_of(st.integers(0, 2**64 - 1), st.sampled_from([0, 1, 2**63, 2**64 - 1]))


@given(st.lists(st.lists(KEYS, max_size=30), max_size=5), st.integers(1, 9))
def test_buckets_hold_all_rows_in_the_order_of_their_keys_whatever_the_order_they_came_in(tmp_path_factory, runs, buckets):
    rows, number = [], 0
    for keys in runs:
        rows.append(
            np.array([(np.uint64(key).astype(np.int64), number + index) for index, key in enumerate(keys)], np.int64).reshape(
                -1, 2
            )
        )
        number += len(keys)
    read = []
    for order in (rows, rows[::-1]):
        spool = RowSpool(tmp_path_factory.mktemp("spool") / "rows", 2, buckets)
        for run in order:
            spool.add(run)
        read.append(np.concatenate([spool.read(bucket) for bucket in range(buckets)]))
        assert spool.rows == number
        spool.close()
    assert np.array_equal(*read)
    expected = sorted((int(np.int64(key).astype(np.uint64)), index) for run in rows for key, index in run.tolist())
    assert [(int(np.int64(key).astype(np.uint64)), index) for key, index in read[0].tolist()] == expected


def test_buckets_are_equal_ranges_of_the_keys(tmp_path):
    spool = RowSpool(tmp_path / "rows", 1, 4)
    spool.add(np.random.default_rng(0).integers(-(2**63), 2**63, (40_000, 1)))
    assert [spool.size(bucket) for bucket in range(4)] == pytest.approx([10_000] * 4, rel=0.05)
    spool.close()
