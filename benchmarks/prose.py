"""English-like prose of any size, the same each time: words as frequent as Zipf's law has it, in sentences and documents."""

import random
from pathlib import Path

import numpy as np

_TYPES = 200_000  # distinct words; those that get to be seen are what a text of 50 MB has
_SHIFT = 2.7  # Mandelbrot's, so that the most frequent words are not too frequent
_EXPONENT = 1.12
_ONSETS = ["", "", *"bcdfghjklmnprstvw", "th", "st", "ch", "sh", "tr", "pl", "gr"]
_VOWELS = ["a", "e", "i", "o", "u", "ea", "ou"]
_CODAS = ["", "", "", "n", "r", "s", "t", "d", "l", "ng", "st", "ll", "ck", "nd"]
_MARKS = np.array(["", ",", ";", "'s", '"', "-"], object)
_MARK_SHARES = [0.88, 0.07, 0.01, 0.015, 0.015, 0.01]
_ENDS = np.array([".", "!", "?", '."'], object)


def write_prose(path: Path, size: int, seed: int = 1) -> None:
    """Writes about ``size`` bytes: one sentence a line, 16 words on average, a blank line after every 30 or so."""
    rng, words = np.random.default_rng(seed), _words(seed)
    shares = (np.arange(len(words)) + _SHIFT) ** -_EXPONENT
    bounds = np.cumsum(shares / shares.sum())
    with path.open("w") as stream:
        while stream.tell() < size:
            lengths = np.maximum(2, rng.gamma(2.5, 6.4, 20_000).astype(int))
            text = words[np.minimum(np.searchsorted(bounds, rng.random(lengths.sum())), len(words) - 1)]
            text = (text + rng.choice(_MARKS, len(text), p=_MARK_SHARES)).tolist()
            ends = rng.choice(_ENDS, len(lengths)).tolist()
            breaks = np.where(rng.random(len(lengths)) < 1 / 30, "\n\n", "\n").tolist()
            start = 0
            for length, end, line_break in zip(lengths.tolist(), ends, breaks, strict=True):
                sentence = " ".join(text[start : start + length])
                stream.write(f"{sentence[:1].upper()}{sentence[1:]}{end}{line_break}")
                start += length


def _words(seed: int) -> np.ndarray:
    """object[_TYPES]: distinct words, the frequent ones short."""
    draw, found = random.Random(seed), dict[str, None]()
    while len(found) < _TYPES:
        syllables = 1 if len(found) < 600 else draw.choice((1, 2, 2, 3) if len(found) < 20_000 else (2, 3, 3, 4))
        found.setdefault("".join(draw.choice(_ONSETS) + draw.choice(_VOWELS) + draw.choice(_CODAS) for _ in range(syllables)))
    return np.array(list(found), object)
