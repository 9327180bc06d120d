"""Lines of text to the ids of a BERT vocabulary, as google-research/bert's FullTokenizer gives them, at the speed of memory."""

from collections import deque
from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from threadmill.vocab import wordpiece_kernels as kernels
from threadmill.vocab.bert_text import TextRules, split_words
from threadmill.vocab.chunk_memory import NEEDS_PAGE, NEEDS_ROOM, Memory, new_memory
from threadmill.vocab.flat import flat_lines

if TYPE_CHECKING:
    from threadmill.vocab.vocabulary import Vocabulary

Ids = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]


class WordPieceEncoder:
    """Text to ids; threads may encode at once, and do not wait for each other."""

    def __init__(self, vocabulary: "Vocabulary") -> None:
        self._lowercase = vocabulary.lowercase
        self._rules = TextRules.of(vocabulary.lowercase)
        edges, ends = kernels.build_trie(*_flat_tokens(vocabulary.tokens))
        self._trie = kernels.Trie(edges, ends, np.zeros(128, np.int32), vocabulary.specials.unk)
        for mark in filter(_is_mark, map(chr, range(128))):
            self._trie.marks[ord(mark)] = self._encode_words([mark])[0]
        self._memories: deque[Memory] = deque()  # one for each thread that has ever encoded beside others
        self._encode_exactly = lru_cache(10_000)(self._encode_stretch)

    def encode(self, lines: pa.Array) -> tuple[Ids, Offsets]:
        """The ids (int32[t]) of lines (large_string[n], no nulls) and the lines' bounds in them (int64[n + 1])."""
        try:
            memory = self._memories.pop()
        except IndexError:
            memory = new_memory(4 * kernels.MAX_CHARACTERS)
        data, offsets = flat_lines(lines)
        ids, id_offsets = np.empty(1024 + len(lines) + int(offsets[-1] - offsets[0]) // 3, np.int32), np.zeros_like(offsets)
        state = np.zeros(4, np.int64)
        while need := kernels.encode_lines(data, offsets, self._rules.tables, self._trie, memory, state, ids, id_offsets):
            _, start, count, value = state.tolist()
            if need == NEEDS_PAGE:
                self._rules.add_page(value)
            elif need == NEEDS_ROOM:
                ids = np.concatenate([ids[:count], np.empty(max(len(ids), 2 * value), np.int32)])
            else:
                found = self._encode_exactly(data[start:value].tobytes())
                ids[count : count + len(found)] = found
                state[1:3] = value, count + len(found)
        self._memories.append(memory)
        return ids[: state[2]], id_offsets

    def _encode_stretch(self, text: bytes) -> Ids:
        return self._encode_words(split_words(text.decode(), self._lowercase))

    def _encode_words(self, words: Sequence[str]) -> Ids:
        content = np.frombuffer("".join(f"{word} " for word in words).encode(), np.uint8)
        ids = np.empty(len(content), np.int32)
        return ids[: kernels.encode_words(content, self._trie, ids)]


def _is_mark(letter: str) -> bool:
    return "!" <= letter <= "~" and not letter.isalnum()


def _flat_tokens(tokens: Sequence[str]) -> tuple[npt.NDArray[np.uint8], Offsets]:
    """Their UTF-8 and the n + 1 bounds; Arrow makes the same of a list, but imports pandas for it."""
    texts = [token.encode() for token in tokens]
    return np.frombuffer(b"".join(texts), np.uint8), np.cumsum([0, *map(len, texts)], dtype=np.int64)
