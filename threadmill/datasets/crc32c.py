"""CRC-32C (Castagnoli), as TFRecord frames carry it, fast enough to check every byte we read and write."""

import platform

import numpy as np
import numpy.typing as npt
from llvmlite import binding, ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import config
from numba.extending import intrinsic

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


def _has_instruction() -> bool:
    """True where the processor has an instruction for CRC-32C that numba may use (SSE 4.2)."""
    chosen = config.CPU_NAME or config.CPU_FEATURES  # type: ignore[attr-defined]
    if chosen or platform.machine() not in ("x86_64", "AMD64"):
        return False
    return bool(binding.get_host_cpu_features().get("sse4.2"))


@intrinsic  # type: ignore[untyped-decorator]
def _advance(typing_context, crc, word):  # type: ignore[no-untyped-def]
    """The CRC (a uint64) after eight bytes more, by the processor's instruction."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        kind = ir.FunctionType(ir.IntType(64), [ir.IntType(64), ir.IntType(64)])
        return builder.call(builder.module.declare_intrinsic("llvm.x86.sse42.crc32.64.64", fnty=kind), arguments)

    return types.uint64(types.uint64, types.uint64), generate


@njit(nogil=True, cache=True)
def crc32c_by_instruction(buffer: npt.NDArray[np.uint8], start: int, end: int, tables: npt.NDArray[np.uint32]) -> np.uint32:
    """As `crc32c`, on a processor that has the instruction."""
    words = buffer[start : start + (end - start) // 8 * 8].view(np.uint64)
    state = np.uint64(0xFFFFFFFF)
    for index in range(len(words)):
        state = _advance(state, words[index])  # type: ignore[call-arg]
    crc = np.uint32(state)
    for position in range(start + 8 * len(words), end):
        crc = tables[0, (crc ^ np.uint32(buffer[position])) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    return crc ^ np.uint32(0xFFFFFFFF)


@njit(nogil=True, cache=True)
def crc32c_by_tables(buffer: npt.NDArray[np.uint8], start: int, end: int, tables: npt.NDArray[np.uint32]) -> np.uint32:
    """As `crc32c`, on any processor: eight bytes a step ("slicing by 8")."""
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


_crc32c = crc32c_by_instruction if _has_instruction() else crc32c_by_tables


@njit(nogil=True, cache=True)
def crc32c(buffer: npt.NDArray[np.uint8], start: int, end: int, tables: npt.NDArray[np.uint32]) -> np.uint32:
    """CRC-32C of ``buffer[start:end]``. ``tables`` is `TABLES`."""
    return _crc32c(buffer, start, end, tables)  # type: ignore[no-any-return]


@njit(nogil=True, cache=True)
def masked_crc32c(buffer: npt.NDArray[np.uint8], start: int, end: int, tables: npt.NDArray[np.uint32]) -> np.uint32:
    """The CRC as TFRecord stores it: rotated right by 15 bits, plus a constant (tensorflow/core/lib/hash/crc32c.h)."""
    crc = crc32c(buffer, start, end, tables)
    return np.uint32(((crc >> np.uint32(15)) | (crc << np.uint32(17))) + np.uint32(0xA282EAD8))
