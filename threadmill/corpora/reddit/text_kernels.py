"""Compiled loops over UTF-8 text: eight bytes at a time, and Arrow's string views, which hold short texts in place."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
from llvmlite import ir  # type: ignore[import-untyped]
from numba import extending, njit, types

intrinsic: Any = extending.intrinsic  # its declared type takes the typing context for an argument of the call

WIDE = 32  # bytes that are looked at at a time
_INLINE = 12  # bytes that a view holds itself
# What is compiled into kernels of other modules too: these functions, and what stands for removed texts.
_SHARED = hashlib.sha256(b"".join(Path(__file__).with_name(name).read_bytes() for name in ("text_kernels.py", "comments.py")))


def kernel(function: Any) -> Any:
    """Compiles a loop over arrays: without the interpreter lock, and without counting references to the arrays at each call.

    To count costs more than short texts do. Python holds the arrays meanwhile; a kernel must make none itself.

    The cache of numba holds what was compiled until the kernel's own file changes; here, until one that is shared does, too.
    """
    options: Any = {"nogil": True, "cache": True, "_nrt": False}  # the last has no declared type
    compiled: Any = njit(**options)(function)
    file = compiled._cache._cache_file
    file._source_stamp = (file._source_stamp, _SHARED.digest())
    return compiled


@intrinsic
def _load_unchecked(context, data, index):  # type: ignore[no-untyped-def]
    """The eight bytes from ``data[index]`` on as one little-endian number, wherever they lie."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        place = builder.gep(array.data, [arguments[1]])
        loaded = builder.load(builder.bitcast(place, ir.IntType(64).as_pointer()))
        loaded.align = 1
        return loaded

    return types.uint64(data, types.int64), generate


@intrinsic
def _trailing_zeros(context, word):  # type: ignore[no-untyped-def]
    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


def _lanes(context: Any, builder: Any, array_type: Any, array: Any, index: Any) -> Any:
    """The place of ``WIDE`` bytes of an array, as a pointer to a vector."""
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), ir.VectorType(ir.IntType(8), WIDE).as_pointer())


def _all_lanes(byte: int) -> Any:
    return ir.Constant(ir.VectorType(ir.IntType(8), WIDE), [byte] * WIDE)


@intrinsic
def json_marks(context, data, index):  # type: ignore[no-untyped-def]
    """A bit (the lowest the first) for each of the ``WIDE`` bytes that ends plain ASCII text: ``"``, ``\\``, controls, over 0x7f.

    All of them must lie in ``data``.
    """

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        loaded = builder.load(_lanes(context, builder, signature.args[0], *arguments))
        loaded.align = 1
        found = builder.icmp_signed("<", loaded, _all_lanes(0x20))  # as signed numbers, bytes over 0x7f too
        for byte in (0x22, 0x5C):
            found = builder.or_(found, builder.icmp_unsigned("==", loaded, _all_lanes(byte)))
        return builder.zext(builder.bitcast(found, ir.IntType(WIDE)), ir.IntType(64))

    return types.uint64(data, types.int64), generate


@intrinsic
def backslash_marks(context, data, index):  # type: ignore[no-untyped-def]
    """A bit for each of the ``WIDE`` bytes that is a backslash. All of them must lie in ``data``."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        loaded = builder.load(_lanes(context, builder, signature.args[0], *arguments))
        loaded.align = 1
        found = builder.icmp_unsigned("==", loaded, _all_lanes(0x5C))
        return builder.zext(builder.bitcast(found, ir.IntType(WIDE)), ir.IntType(64))

    return types.uint64(data, types.int64), generate


@intrinsic
def copy_wide(context, source, start, target, place):  # type: ignore[no-untyped-def]
    """Copies ``WIDE`` bytes, which must lie in both arrays."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]
        loaded = builder.load(_lanes(context, builder, signature.args[0], *arguments[:2]))
        loaded.align = 1
        stored = builder.store(loaded, _lanes(context, builder, signature.args[2], *arguments[2:]))
        stored.align = 1
        return context.get_dummy_value()

    return types.void(source, types.int64, target, types.int64), generate


@kernel
def load(data, index):  # type: ignore[no-untyped-def]
    """uint64: the eight bytes of ``data`` (uint8) from ``index`` on, the first the lowest; zeros beyond its end."""
    if index + 8 <= len(data):
        return _load_unchecked(data, index)
    word = np.uint64(0)
    for place in range(index, len(data)):
        word |= np.uint64(data[place]) << np.uint64(8 * (place - index))
    return word


@kernel
def first_mark(marks):  # type: ignore[no-untyped-def]
    """The place of the lowest bit; 64 where there is none."""
    return np.int64(_trailing_zeros(marks))


@kernel
def utf8_length(data, place):  # type: ignore[no-untyped-def]
    """Bytes (2 to 4) of the character that begins at ``place`` with a byte over 0x7f, or 0 where it is no UTF-8.

    The Unicode Standard, table 3-7. ``data`` must hold an ASCII byte after ``place``.
    """
    lead, second = data[place], data[place + 1]
    if second < 0x80 or second > 0xBF or lead < 0xC2 or lead > 0xF4:
        return 0
    if lead < 0xE0:
        return 2
    if (lead == 0xE0 and second < 0xA0) or (lead == 0xED and second > 0x9F):
        return 0
    if (lead == 0xF0 and second < 0x90) or (lead == 0xF4 and second > 0x8F):
        return 0
    if data[place + 2] & 0xC0 != 0x80:
        return 0
    if lead < 0xF0:
        return 3
    return 4 if data[place + 3] & 0xC0 == 0x80 else 0


@kernel
def copy(source, start, end, target, place):  # type: ignore[no-untyped-def]
    """Copies bytes; returns the place after the last in ``target``, which must have room for ``WIDE`` more."""
    after = place + end - start
    while start < end and start + WIDE <= len(source):
        copy_wide(source, start, target, place)
        start, place = start + WIDE, place + WIDE
    while start < end:
        target[place] = source[start]
        start, place = start + 1, place + 1
    return after


@kernel
def put_view(views, column, row, source, start, length, offset):  # type: ignore[no-untyped-def]
    """Writes the view (uint64[2] of ``views[column, row]``) of a text of ``source``, at ``offset`` of the view's buffer.

    https://arrow.apache.org/docs/format/Columnar.html#variable-size-binary-view-layout
    """
    head = load(source, start) & np.uint64(0xFFFFFFFF)
    if length > _INLINE:
        views[column, row, 0] = np.uint64(length) | head << np.uint64(32)
        views[column, row, 1] = np.uint64(offset) << np.uint64(32)
        return
    tail = load(source, start + 4)
    if length < 4:
        head &= (np.uint64(1) << np.uint64(8 * length)) - np.uint64(1)
    if length <= 4:
        tail = np.uint64(0)
    elif length < _INLINE:
        tail &= (np.uint64(1) << np.uint64(8 * (length - 4))) - np.uint64(1)
    views[column, row, 0] = np.uint64(length) | head << np.uint64(32)
    views[column, row, 1] = tail


@kernel
def put_text(views, column, row, source, start, end, arena, used):  # type: ignore[no-untyped-def]
    """Writes the view of ``source[start:end]``, and into ``arena`` from ``used`` on what it has no room for; bytes used then."""
    put_view(views, column, row, source, start, end - start, used)
    return copy(source, start, end, arena, used) if end - start > _INLINE else used


def inline_view(text: bytes) -> tuple[np.uint64, np.uint64]:
    """The view of a text of 12 bytes at most, as its two words."""
    words = np.frombuffer(len(text).to_bytes(4, "little") + text.ljust(_INLINE, b"\0"), np.uint64)
    return words[0], words[1]


def text_column(
    views: npt.NDArray[np.uint64], valid: npt.NDArray[np.bool_] | None, arenas: Sequence[npt.NDArray[np.uint8]] = ()
) -> pl.Series:
    """The column of text of uint64[n, 2] ``views`` into ``arenas``, null where ``valid`` (bool[n]) is False, without a copy."""
    buffers: list[Any] = [_bitmap(valid), pa.py_buffer(views), *(pa.py_buffer(arena) for arena in arenas)]
    array = pa.Array.from_buffers(pa.string_view(), len(views), buffers)
    return pl.Series(pl.from_arrow(array))


def value_column(values: npt.NDArray[Any], valid: npt.NDArray[np.bool_]) -> pl.Series:
    """The column of ``values`` (int64[n] or bool[n]), null where ``valid`` (bool[n]) is False."""
    # Not by pa.array(): it loads pandas.
    truths = values.dtype == np.bool_
    content = pa.py_buffer(np.packbits(values, bitorder="little") if truths else values)
    array = pa.Array.from_buffers(pa.bool_() if truths else pa.int64(), len(values), [_bitmap(valid), content])
    return pl.Series(pl.from_arrow(array))


def _bitmap(valid: npt.NDArray[np.bool_] | None) -> Any:
    if valid is None or valid.all():
        return None
    return pa.py_buffer(np.packbits(valid, bitorder="little"))
