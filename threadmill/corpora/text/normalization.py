"""Normalises lines: NFC, no control characters, single blanks, and what the settings add; done twice, it changes nothing more."""

from collections import Counter

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from threadmill.corpora.text.characters import KINDS, REPLACEMENT, character_table
from threadmill.corpora.text.config import NormalizationConfig
from threadmill.corpora.text.line_kernels import clean_lines
from threadmill.corpora.text.social import rewrites, rewritten
from threadmill.datasets.arrow_text import large_strings, text_buffers

_MOST_PASSES = 8  # each undoes what the one before laid open; two are enough for all that people write


def normalize(lines: pa.Array, config: NormalizationConfig, counts: Counter[str] | None = None) -> pa.Array:
    """The lines (large_string[n]) normalised; those that hold nothing else are empty.

    A line is done again as long as it changes: what one rule takes out can make another's case, as a control character
    within an address, or a vowel sign between two parts of one letter.

    Args:
        counts: characters removed are added by kind, and ``replacement_characters`` (U+FFFD), which stay.
    """
    rewriting = rewrites(config)
    result, composes = _once(lines, config, counts, rewriting, first=True)
    todo = composes | _differs(lines, result) if rewriting else composes
    for _ in range(_MOST_PASSES):
        if not todo.any():
            break
        places = np.flatnonzero(todo)
        before = result.take(pa.array(places))
        after, _ = _once(_composed(before), config, counts, rewriting)
        changed = _differs(before, after)
        if not changed.any():
            break
        result = pc.replace_with_mask(result, pa.array(_mask(len(result), places[changed])), after.filter(pa.array(changed)))
        todo = _mask(len(result), places[changed])
    return result


def _once(
    lines: pa.Array, config: NormalizationConfig, counts: Counter[str] | None, rewriting: bool, first: bool = False
) -> tuple[pa.Array, npt.NDArray[np.bool_]]:
    """One pass; also which lines NFC may change."""
    if rewriting:
        lines = rewritten(lines, config)
    data, offsets = text_buffers(lines)
    output = np.empty(int(offsets[-1] - offsets[0]), np.uint8)
    ends, composes, tallies = np.empty(len(offsets), np.int64), np.empty(len(offsets) - 1, np.bool_), np.zeros(8, np.int64)
    clean_lines(data, offsets, character_table(config), config.max_repeats, output, ends, composes, tallies)
    if counts is not None:
        counts.update({name: int(tallies[kind]) for kind, name in KINDS.items() if tallies[kind]})
        if first and tallies[REPLACEMENT]:  # they stay, so the next pass would count them again
            counts["replacement_characters"] += int(tallies[REPLACEMENT])
    size = int(ends[-1])
    return pa.LargeStringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(output[:size])), composes


def _composed(lines: pa.Array) -> pa.Array:
    return large_strings(pc.utf8_normalize(lines, "NFC"))


def _differs(first: pa.Array, second: pa.Array) -> npt.NDArray[np.bool_]:
    different: npt.NDArray[np.bool_] = pc.not_equal(first, second).to_numpy(zero_copy_only=False)
    return different


def _mask(size: int, places: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    mask = np.zeros(size, np.bool_)
    mask[places] = True
    return mask
