# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Hashes by which lines are drawn at random: of a line and of where it stands in its document or thread, not in its file."""

import numpy as np
import numpy.typing as npt

from threadmill.datasets.arrow_text import text_buffers
from threadmill.documents.blocks import DocumentBlock, Integers
from threadmill.kernels import kernel
from threadmill.randomness import combine, hash_bytes, mix, stream_key

Keys = npt.NDArray[np.uint64]


def seed_key(seed: int) -> np.uint64:
    """The key of the sample's hashes."""
    return stream_key("sample", seed)


def document_keys(block: DocumentBlock, key: np.uint64, state: np.uint64) -> tuple[Keys, np.uint64]:
    """uint64[M]: a hash of each sentence and of all before it in its document, so that only repeated documents share keys.

    Args:
        block: of text.
        key: keys the hashes; see `seed_key`.
        state: of the block before, which the second value is for the next one.
    """
    keys: Keys = _document_keys(key, *text_buffers(block.lines), block.ends, state if block.continues else key)
    return keys, (keys[-1] if len(keys) else state)


def thread_keys(block: DocumentBlock, key: np.uint64) -> tuple[Keys, Integers]:
    """The distinct lines of each thread, where a text counts once: a hash of each and of the thread's first line.

    Args:
        block: of conversations, with all documents of its threads.
        key: keys the hashes; see `seed_key`.

    Returns:
        uint64[n], and int64[n]: the line of each.
    """
    lengths = np.diff(block.ends, prepend=0)
    pairs = np.repeat(block.groups, lengths) * len(block.lines) + block.sentences
    _, places = np.unique(pairs, return_index=True)
    first = block.sentences[block.ends - lengths]  # of each document
    _, heads = np.unique(block.groups, return_index=True)
    members = np.diff(np.append(heads, len(block)))
    roots = np.repeat(np.repeat(first[heads], members), lengths)[places]
    lines = block.sentences[places]
    return _pair_keys(key, *text_buffers(block.lines), roots, lines), lines


@kernel
def _document_keys(key, data, offsets, ends, state):
    keys = np.empty(len(offsets) - 1, np.uint64)
    line = 0
    for end in ends:
        while line < end:
            state = combine(key, hash_bytes(np.uint64(state), data, offsets[line], offsets[line + 1]))
            keys[line] = state
            line += 1
        state = key
    return keys


@kernel
def _pair_keys(key, data, offsets, first, second):
    keys = np.empty(len(first), np.uint64)
    for row in range(len(first)):
        state = hash_bytes(mix(key), data, offsets[first[row]], offsets[first[row] + 1])
        keys[row] = mix(hash_bytes(state, data, offsets[second[row]], offsets[second[row] + 1]))
    return keys
