# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Packs pairs of sequences into records of two rooms, so that little padding is left."""

import numpy as np
import numpy.typing as npt

from threadmill.kernels import kernel
from threadmill.randomness import permutation


def pack(
    first: npt.NDArray[np.int64], second: npt.NDArray[np.int64], rooms: tuple[int, int], buckets: int, key: np.uint64
) -> npt.NDArray[np.int64]:
    """int64[n]: the number of the record that each of n pairs goes to, from 0, none left out.

    Pairs are taken in random order, those of the longest bucket first, each into the first record that has room for both
    its sequences (first-fit decreasing; Johnson 1973). Its time grows with n x records: give it some thousands at a time.

    Args:
        first, second: int64[n], the pairs' lengths, each no more than its room.
        buckets: classes of length, equal in width; pairs of one class count as equally long. 1: all do.
        key: of the random order.
    """
    order = permutation(key, len(first))
    fill = np.maximum(first / rooms[0], second / rooms[1])
    bucket = np.minimum((fill * buckets).astype(np.int64), buckets - 1)
    order = order[np.argsort(-bucket[order], kind="stable")]
    records = np.empty(len(first), np.int64)
    _first_fit(first, second, order, rooms[0], rooms[1], records)
    return records


@kernel
def _first_fit(first, second, order, first_room, second_room, records):
    left = np.empty((len(first), 2), np.int64)
    count = 0
    for pair in order:
        record = 0
        while record < count and (first[pair] > left[record, 0] or second[pair] > left[record, 1]):
            record += 1
        if record == count:
            left[count, 0], left[count, 1] = first_room, second_room
            count += 1
        left[record, 0] -= first[pair]
        left[record, 1] -= second[pair]
        records[pair] = record
