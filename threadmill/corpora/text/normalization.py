"""Normalises lines: NFC, no control characters, single blanks, and what the settings add; done twice, it changes nothing more."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from threadmill.corpora.text.characters import KINDS, REPLACEMENT, character_table
from threadmill.corpora.text.config import NormalizationConfig
from threadmill.corpora.text.line_kernels import clean_lines
from threadmill.corpora.text.social import may_be_rewritten, rewrite, rewrites
from threadmill.datasets.arrow_text import large_strings, text_buffers

Flags = npt.NDArray[np.bool_]

_MOST_PASSES = 8  # each undoes what the one before laid open; two are enough for all that people write


def normalize(lines: pa.Array, config: NormalizationConfig, counts: Counter[str] | None = None) -> pa.Array:
    """The lines (large_string[n]) normalised; those that hold nothing else are empty.

    A line is done again as long as it changes: what one rule takes out can make another's case, as a control character
    within an address, or a vowel sign between two parts of one letter.

    Args:
        counts: characters removed are added by kind, and ``replacement_characters`` (U+FFFD), which stay.
    """
    done = _once(lines, config, counts)
    result, again = done.lines, done.again
    if counts is not None and done.replacements:  # they stay, so a later pass would count them twice
        counts["replacement_characters"] += done.replacements
    places = np.flatnonzero(again)
    for _ in range(_MOST_PASSES):
        if not len(places):
            break
        before = result.take(pa.array(places))
        done = _once(_composed(before), config, counts)
        changed = _differs(before, done.lines)
        places = places[changed]
        result = _replaced(result, places, done.lines.filter(pa.array(changed)))
    return result


@dataclass(frozen=True)
class _Pass:
    """Lines after one pass, which of them may change in another, and how many replacement characters they hold."""

    lines: pa.Array
    again: Flags
    replacements: int


def _once(lines: pa.Array, config: NormalizationConfig, counts: Counter[str] | None) -> _Pass:
    rewritten = None
    if rewrites(config):
        candidates = may_be_rewritten(lines, config)
        before = lines.filter(pa.array(candidates))
        after = rewrite(before, config)
        rewritten = np.zeros(len(lines), np.bool_)
        rewritten[candidates] = _differs(before, after)
        lines = _replaced(lines, np.flatnonzero(candidates), after)
    data, offsets = text_buffers(lines)
    count = len(offsets) - 1
    output, ends, tallies = (
        np.empty(int(offsets[-1] - offsets[0]), np.uint8),
        np.empty(count + 1, np.int64),
        np.zeros(8, np.int64),
    )
    composes, removed, tallies = np.empty(count, np.bool_), np.empty(count, np.bool_), np.zeros(8, np.int64)
    clean_lines(data, offsets, character_table(config), config.max_repeats, output, ends, composes, removed, tallies)
    if counts is not None:
        counts.update({name: int(tallies[kind]) for kind, name in KINDS.items() if tallies[kind]})
    size = int(ends[-1])
    cleaned = pa.LargeStringArray.from_buffers(count, pa.py_buffer(ends), pa.py_buffer(output[:size]))
    again = composes if rewritten is None else composes | rewritten | (removed & candidates)
    return _Pass(cleaned, again, int(tallies[REPLACEMENT]))


def _composed(lines: pa.Array) -> pa.Array:
    # Not Arrow's utf8_normalize: that of 25.0.1 decomposes, whatever form is asked for.
    return large_strings(pl.Series(pl.from_arrow(lines)).str.normalize("NFC"))


def _differs(first: pa.Array, second: pa.Array) -> Flags:
    different: Flags = pc.not_equal(first, second).to_numpy(zero_copy_only=False)
    return different


def _replaced(lines: pa.Array, places: npt.NDArray[np.int64], others: pa.Array) -> pa.Array:
    """The lines with others at the given places."""
    if not len(places):
        return lines
    mask = np.zeros(len(lines), np.bool_)
    mask[places] = True
    return large_strings(pc.replace_with_mask(lines, pa.array(mask), others))
