import hashlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from threadmill.conversations.md5 import MAX_BYTES, hex_digits, md5_digests


def digests_of(texts: Sequence[bytes], before: bytes = b"") -> npt.NDArray[np.uint8]:
    """The digests of texts that lie one after the other, behind bytes that belong to none."""
    offsets = np.cumsum([len(before), *(len(text) for text in texts)], dtype=np.int64)
    return md5_digests(np.frombuffer(before + b"".join(texts), np.uint8), offsets)


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=MAX_BYTES), max_size=8), st.binary(max_size=3))
def test_digests_are_those_of_the_standard_library(texts: list[bytes], before: bytes) -> None:
    assert [row.tobytes() for row in digests_of(texts, before)] == [hashlib.md5(text).digest() for text in texts]


@pytest.mark.parametrize("byte", [b"\x00", b"a", b"\x80", b"\xff"])
def test_digests_of_every_length(byte: bytes) -> None:
    texts = [byte * length for length in range(MAX_BYTES + 1)]
    assert [row.tobytes() for row in digests_of(texts)] == [hashlib.md5(text).digest() for text in texts]


@settings(max_examples=60)
@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5), st.integers(1, 32), st.integers(1, 15))
def test_hexadecimal_digits_are_those_that_are_written(texts: list[bytes], first: int, count: int) -> None:
    count = min(count, 33 - first)
    written = [hashlib.md5(text).hexdigest()[first - 1 : first - 1 + count] for text in texts]
    assert hex_digits(digests_of(texts), first, count).tolist() == [int(digits, 16) for digits in written]
