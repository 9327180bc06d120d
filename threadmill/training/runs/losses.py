"""losses.jsonl: one line a step, cut back to the checkpoint's step on resume, so that each step stands there once."""

import os
from collections.abc import Iterable, Mapping

import msgspec
import orjson

LOSSES_NAME = "losses.jsonl"
VALIDATION_NAME = "validation.jsonl"

# What is measured of each step, beside the parts of a loss that has several. The norm is a curve, and not logged.
LOSS, GRADIENT_NORM = "loss", "gradient_norm"


class _Line(msgspec.Struct):
    step: int
    loss: float


_LINE = msgspec.json.Decoder(_Line)


class LossLog:
    """Appends the losses of a run to a local file. Use as a context manager."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._ends = _line_ends(path)
        self._stream = open(path, "ab")  # noqa: SIM115 (closed by __exit__)

    @property
    def steps(self) -> int:
        """Steps logged so far: line n is step n."""
        return len(self._ends)

    def cut(self, step: int) -> None:
        """Removes what is logged beyond ``step``."""
        del self._ends[step:]
        self._stream.truncate(self._ends[-1] if self._ends else 0)

    def read(self) -> list[float]:
        """The losses of the steps logged so far."""
        with open(self._path, "rb") as stream:
            return [_LINE.decode(line).loss for _, line in zip(self._ends, stream, strict=False)]

    def append(self, lines: Iterable[Mapping[str, float]]) -> None:
        """Adds a line a step; they outlive this process once this returns."""
        self.cut(self.steps)  # what a killed run left of a last line
        for line in lines:
            content = orjson.dumps(dict(line), option=orjson.OPT_APPEND_NEWLINE)
            self._stream.write(content)
            self._ends.append((self._ends[-1] if self._ends else 0) + len(content))
        self._stream.flush()

    def __enter__(self) -> "LossLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()


def _line_ends(path: str) -> list[int]:
    """Where each line that is whole, and numbered as its place, ends."""
    ends: list[int] = []
    if not os.path.exists(path):
        return ends
    position = 0
    with open(path, "rb") as stream:
        for line in stream:
            position += len(line)
            if not line.endswith(b"\n") or not _is_step(line, len(ends) + 1):
                break
            ends.append(position)
    return ends


def _is_step(line: bytes, step: int) -> bool:
    try:
        return _LINE.decode(line).step == step
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
