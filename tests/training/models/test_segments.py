import numpy as np
import pytest
from keras import ops

from threadmill.training.models.segments import positions, same_segment, source_segment

pytestmark = pytest.mark.keras

SEGMENTS = np.array([[1, 1, 2, 0]], np.int32)


def test_tokens_of_one_segment_see_each_other_and_padding_sees_padding() -> None:
    seen = ops.convert_to_numpy(same_segment(SEGMENTS, SEGMENTS)).astype(int)

    assert seen.tolist() == [[[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]]


def test_padding_of_a_response_sees_all_contexts_for_it_may_have_no_padding_to_see() -> None:
    seen = ops.convert_to_numpy(source_segment(SEGMENTS, np.array([[1, 2, 2]], np.int32))).astype(int)

    assert seen.tolist() == [[[1, 0, 0], [1, 0, 0], [0, 1, 1], [1, 1, 1]]]


def test_positions_begin_anew_in_each_segment() -> None:
    segments = np.array([[1, 1, 1, 2, 2, 3, 0, 0], [1, 2, 2, 2, 2, 2, 2, 3]], np.int32)

    assert ops.convert_to_numpy(positions(segments)).tolist() == [[0, 1, 2, 0, 1, 0, 0, 1], [0, 0, 1, 2, 3, 4, 5, 0]]
