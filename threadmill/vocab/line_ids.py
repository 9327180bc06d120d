# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""A stream of lines to a stream of their token ids, in blocks, so that memory does not grow with the stream."""

from collections.abc import Iterator
from typing import IO, BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from threadmill.errors import InputError
from threadmill.kernels import kernel
from threadmill.vocab.vocabulary import TokenLines, Vocabulary

_BLOCK = 4 << 20  # bytes
_LONGEST = 64 << 20  # bytes of a line; its ids and their text take ten times as much memory
_NEWLINE = 10


def write_ids(vocabulary: Vocabulary, source: BinaryIO, target: IO[bytes], block: int = _BLOCK) -> None:
    """Writes a line of ids, separated by spaces, for each line of ``source``, the last one with or without its end.

    What ends a line is a newline, with or without a carriage return before it. No [CLS] and no [SEP] is added.

    Args:
        source: UTF-8, with lines of 64 MiB at most.
        block: bytes that are read at a time.

    Raises:
        InputError: a line is not UTF-8, or too long.
    """
    before = 0
    for content in _whole_lines(source, block):
        lines = _lines(content, before)
        target.write(_as_text(vocabulary.encode(lines), len(vocabulary)).data)
        before += len(lines)
    target.flush()


def _whole_lines(source: BinaryIO, block: int) -> Iterator[bytes]:
    """The stream in pieces that end with a newline, which the last line gets if it has none."""
    parts: list[bytes] = []
    held = done = 0
    while piece := source.read(block):
        whole, newline, rest = piece.rpartition(b"\n")
        if newline:
            done += piece.count(b"\n")
            yield b"".join([*parts, whole, newline])
            parts, held = [rest] if rest else [], len(rest)
        else:
            parts.append(piece)
            held += len(piece)
        if held > _LONGEST:
            raise InputError(
                f"line {done + 1:,}: {held:,} bytes or more without a line's end, {_LONGEST:,} at most; `threadmill corpus` "
                "makes sentences of any text"
            )
    if parts:
        yield b"".join([*parts, b"\n"])


def _lines(content: bytes, before: int) -> pa.Array:
    """The lines (large_string) without their ends; ``before`` is how many came before, for the error."""
    try:
        content.decode()
    except UnicodeDecodeError as error:
        line = before + content.count(b"\n", 0, error.start) + 1
        raise InputError(f"line {line}: not UTF-8 (byte {content[error.start]:#04x}); convert the text, as iconv does") from None
    content = content.replace(b"\r\n", b"\n")
    ends = np.flatnonzero(np.frombuffer(content, np.uint8) == _NEWLINE)
    offsets = np.concatenate([np.zeros(1, np.int64), ends - np.arange(len(ends))])
    return pa.LargeStringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(content.replace(b"\n", b"")))


def _as_text(found: TokenLines, most: int) -> npt.NDArray[np.uint8]:
    """The lines of ids as ASCII; no id is above ``most``."""
    text = np.empty((len(str(most)) + 1) * len(found.ids) + len(found), np.uint8)
    return text[: _write_digits(found.ids, found.offsets, text)]


@kernel
def _write_digits(ids, offsets, text):
    """Writes the ids in decimal, a space between those of a line, a newline after each line; returns how many bytes."""
    digits, size = np.empty(10, np.uint8), 0
    for line in range(len(offsets) - 1):
        for index in range(offsets[line], offsets[line + 1]):
            left, count = ids[index], 0
            while left > 9:
                digits[count] = left % 10
                left //= 10
                count += 1
            digits[count] = left
            while count >= 0:
                text[size] = 48 + digits[count]
                size += 1
                count -= 1
            text[size] = 32
            size += 1
        size -= offsets[line] < offsets[line + 1]
        text[size] = _NEWLINE
        size += 1
    return size
