"""Cuts sources into parts of some 16 MiB, between dialogues: each is a task, and a shard of each split that it may be of."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from threadmill.corpora.dialogues.config import NUMBERED, PARLAI, TFRECORD
from threadmill.corpora.dialogues.content import read_frames, read_lines
from threadmill.corpora.dialogues.parlai_text import begins_episode, ends_episode
from threadmill.corpora.source import Source

PART_BYTES = 16 << 20


@dataclass(frozen=True)
class DialoguePart:
    """A range of a source's decompressed content.

    Attributes:
        start, stop: its bytes.
        first: the number of its first line or record, from 1.
        fingerprint: the source's, when it was planned.
    """

    source: Source
    start: int
    stop: int
    first: int
    fingerprint: str = ""


def cut_source(source: Source, fingerprint: str, part_bytes: int = PART_BYTES) -> Iterator[DialoguePart]:
    """The parts, each of ``part_bytes`` at least but for the last. Reads the source once.

    Raises:
        InputError: it is damaged.
    """
    start, place, first, number = 0, 0, 1, 1
    for size, may_cut in _units(source):
        if may_cut and place - start >= part_bytes:
            yield DialoguePart(source, start, place, first, fingerprint)
            start, first = place, number
        place += size
        number += 1
    if place > start:
        yield DialoguePart(source, start, place, first, fingerprint)


def _units(source: Source) -> Iterator[tuple[int, bool]]:
    """The bytes of each line or record, and whether a part may begin with it."""
    if source.format == TFRECORD:
        return ((size, True) for size in read_frames(source.uri))
    return _lines(source.format, read_lines(source.uri))


def _lines(format: str, lines: Iterable[bytes]) -> Iterator[tuple[int, bool]]:
    ended = True
    for line in lines:
        yield len(line), begins_episode(line) if format == NUMBERED else ended
        ended = format != PARLAI or ends_episode(line)
