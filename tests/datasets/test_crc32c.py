import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from threadmill.datasets.crc32c import TABLES, crc32c, crc32c_by_tables, masked_crc32c

READ_COMMAND = bytes.fromhex(
    "01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000"
)


def crc(content: bytes) -> int:
    return int(crc32c(np.frombuffer(content, np.uint8), 0, len(content), TABLES))


def bit_by_bit(content: bytes) -> int:
    """CRC-32C from its definition."""
    value = 0xFFFFFFFF
    for byte in content:
        value ^= byte
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
        (bytes(reversed(range(32))), 0x113FDB5C),
        (READ_COMMAND, 0xD9963A56),
        (b"123456789", 0xE3069283),
        (b"", 0),
    ],
)
def test_the_vectors_of_rfc_3720_appendix_b_4(content: bytes, expected: int) -> None:
    assert crc(content) == expected


@given(st.binary(max_size=70), st.integers(0, 70), st.integers(0, 70))
def test_any_slice_has_the_crc_of_its_bytes(content: bytes, start: int, end: int) -> None:
    start, end = sorted((min(start, len(content)), min(end, len(content))))
    buffer = np.frombuffer(content, np.uint8)
    assert crc32c(buffer, start, end, TABLES) == bit_by_bit(content[start:end])
    assert crc32c_by_tables(buffer, start, end, TABLES) == bit_by_bit(content[start:end])


@given(st.binary(max_size=40))
def test_the_mask_is_a_rotation_by_15_bits_and_a_constant(content: bytes) -> None:
    masked = int(masked_crc32c(np.frombuffer(content, np.uint8), 0, len(content), TABLES))
    rotated = (masked - 0xA282EAD8) % (1 << 32)
    assert (rotated >> 17 | rotated << 15) % (1 << 32) == bit_by_bit(content)
