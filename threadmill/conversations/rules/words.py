"""Measures of the words of many texts, in one pass over their bytes."""

import numpy as np
import numpy.typing as npt
import polars as pl
from numba import njit

from threadmill.conversations.config import ConversationsConfig
from threadmill.datasets.arrow_text import large_strings, text_buffers

WORDS, TOKENS, LONGEST_WORD, REPEATS = "_words", "_tokens", "_longest_word", "_repeats"
MEASURES = (WORDS, TOKENS, LONGEST_WORD, REPEATS)

_PHRASE = 8  # words of the longest phrase whose repetition is seen
_SPACE, _DIGIT, _LETTER, _OTHER = range(4)


def are_asked_for(config: ConversationsConfig) -> bool:
    """True where a rule of ``config`` needs the measures."""
    limits = config.min_words, config.max_words, config.max_tokens, config.max_word_length, config.drop_repeats
    return any(limits)


def measured(body: pl.Series) -> list[pl.Series]:
    """Of n texts: words, tokens, characters of the longest word (Int32[n] each), and whether it says something three times over.

    Words end at ASCII white space. Tokens are runs of letters (all beyond ASCII counts as such), of digits and of other
    characters, much as GPT-2's pattern cuts text before byte pair encoding, which only cuts further: so a text has at
    least as many BPE tokens as tokens here. A phrase of one to eight words counts as said three times over where it stands
    three times in a row; of its words only the letters and digits count, ASCII ones in any case.
    """
    data, offsets = text_buffers(large_strings(body))
    words, tokens, longest, repeats = _measure(data, offsets, _classes())
    columns = (words, tokens, longest, repeats)
    return [pl.Series(name, column) for name, column in zip(MEASURES, columns, strict=True)]


def _classes() -> npt.NDArray[np.uint8]:
    """Of each byte its class."""
    classes = np.full(256, _OTHER, np.uint8)
    classes[[*b" \t\n\r\v\f"]] = _SPACE
    classes[[*b"0123456789"]] = _DIGIT
    classes[[*b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", *range(128, 256)]] = _LETTER
    return classes


@njit(nogil=True, cache=True)
def _measure(data, offsets, classes):  # type: ignore[no-untyped-def]
    count = len(offsets) - 1
    words, tokens, longest = np.zeros(count, np.int32), np.zeros(count, np.int32), np.zeros(count, np.int32)
    repeats = np.zeros(count, np.bool_)
    history = np.zeros(_PHRASE, np.uint64)  # hashes of the last words
    runs = np.zeros(_PHRASE, np.int32)  # words in a row that equal the one so many words before, less one
    for row in range(count):
        runs[:] = 0
        history[:] = 0
        before, length, hashed = _SPACE, 0, np.uint64(0)
        for index in range(offsets[row], offsets[row + 1] + 1):
            byte = data[index] if index < offsets[row + 1] else np.uint8(32)
            kind = classes[byte]
            if kind == _SPACE:
                if before != _SPACE:
                    longest[row] = max(longest[row], length)
                    repeats[row] |= _repeated(hashed, words[row], history, runs)
                    words[row] += 1
                length, hashed = 0, np.uint64(0)
            else:
                tokens[row] += kind != before
                length += (byte & 0xC0) != 0x80  # bytes that begin a character
                if kind != _OTHER:
                    hashed = (hashed ^ np.uint64(_folded(byte))) * np.uint64(1099511628211) + np.uint64(1)
            before = kind
    return words, tokens, longest, repeats


@njit(nogil=True, cache=True)
def _folded(byte):  # type: ignore[no-untyped-def]
    return byte + 32 if 65 <= byte <= 90 else byte


@njit(nogil=True, cache=True)
def _repeated(hashed, number, history, runs):  # type: ignore[no-untyped-def]
    """Takes the ``number``-th word; True where it ends a phrase's third time in a row. A hash of 0 is no word."""
    found = False
    for phrase in range(1, _PHRASE + 1):
        same = number >= phrase and hashed != 0 and history[(number - phrase) % _PHRASE] == hashed
        runs[phrase - 1] = runs[phrase - 1] + 1 if same else 0
        found |= runs[phrase - 1] >= 2 * phrase
    history[number % _PHRASE] = hashed
    return found
