"""CRC-32C (Castagnoli), as TFRecord frames carry it, fast enough to check every byte we read and write."""

import numpy as np
import numpy.typing as npt
from numba import njit

_POLYNOMIAL = 0x82F63B78  # reflected form of 0x1EDC6F41, RFC 3720 appendix B.4
_SLICES = 8


def _tables() -> npt.NDArray[np.uint32]:
    table = np.zeros((_SLICES, 256), dtype=np.uint32)
    values = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        values = np.where(values & 1, (values >> 1) ^ np.uint32(_POLYNOMIAL), values >> 1)
    table[0] = values
    for index in range(1, _SLICES):
        table[index] = (table[index - 1] >> 8) ^ table[0][table[index - 1] & 0xFF]
    return table


TABLES = _tables()


@njit(nogil=True, cache=True)
def crc32c(buffer: npt.NDArray[np.uint8], start: int, end: int, tables: npt.NDArray[np.uint32]) -> np.uint32:
    """CRC-32C of ``buffer[start:end]``, eight bytes a step ("slicing by 8"). ``tables`` is `TABLES`."""
    crc = np.uint32(0xFFFFFFFF)
    position = start
    while position + 8 <= end:
        low = crc ^ (
            np.uint32(buffer[position])
            | (np.uint32(buffer[position + 1]) << np.uint32(8))
            | (np.uint32(buffer[position + 2]) << np.uint32(16))
            | (np.uint32(buffer[position + 3]) << np.uint32(24))
        )
        crc = (
            tables[7, low & np.uint32(0xFF)]
            ^ tables[6, (low >> np.uint32(8)) & np.uint32(0xFF)]
            ^ tables[5, (low >> np.uint32(16)) & np.uint32(0xFF)]
            ^ tables[4, low >> np.uint32(24)]
            ^ tables[3, buffer[position + 4]]
            ^ tables[2, buffer[position + 5]]
            ^ tables[1, buffer[position + 6]]
            ^ tables[0, buffer[position + 7]]
        )
        position += 8
    while position < end:
        crc = tables[0, (crc ^ np.uint32(buffer[position])) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
        position += 1
    return crc ^ np.uint32(0xFFFFFFFF)


@njit(nogil=True, cache=True)
def masked_crc32c(buffer: npt.NDArray[np.uint8], start: int, end: int, tables: npt.NDArray[np.uint32]) -> np.uint32:
    """The CRC as TFRecord stores it: rotated right by 15 bits, plus a constant (tensorflow/core/lib/hash/crc32c.h)."""
    crc = crc32c(buffer, start, end, tables)
    return np.uint32(((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(0xA282EAD8))
