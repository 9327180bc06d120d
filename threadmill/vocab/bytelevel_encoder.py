"""Lines of text to the ids of a byte-level BPE vocabulary, those of Hugging Face tokenizers, at the speed of memory."""

from collections import deque
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
from tokenizers import Tokenizer, pre_tokenizers

from threadmill.errors import InputError
from threadmill.vocab import bytelevel_kernels as kernels
from threadmill.vocab.chunk_memory import NEEDS_PAGE, NEEDS_ROOM, Memory, new_memory
from threadmill.vocab.flat import flat_lines
from threadmill.vocab.styles import byte_letters

if TYPE_CHECKING:
    from threadmill.vocab.vocabulary import Vocabulary

Ids = npt.NDArray[np.int32]
Offsets = npt.NDArray[np.int64]

_MODEL = {
    **{"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None},
    **{"fuse_unk": False, "byte_fallback": False, "ignore_merges": False},
}


class ByteLevelEncoder:
    """Text to ids; threads may encode at once, and do not wait for each other."""

    def __init__(self, vocabulary: "Vocabulary") -> None:
        content = orjson.loads(vocabulary.model)
        if not _is_known(content):
            raise InputError(
                f"{vocabulary.uri or 'the vocabulary'}: tokenizer.json has rules that this version does not know; train it again "
                f"with `threadmill vocab train --kind bytelevel-bpe`"
            )
        # Without its special tokens, whose names are text in a text.
        self._library = Tokenizer.from_str(orjson.dumps({**content, "added_tokens": [], "post_processor": None}).decode())
        self._lowercase = content["normalizer"] is not None
        self._merges = _merges(content)
        self._letters = kernels.Letters(
            *(np.full(0x1100, -1, np.int32), np.zeros((0, kernels.PAGE), np.uint8), np.zeros((0, kernels.PAGE + 1), np.int32)),
            *(np.zeros(0, np.uint8), self._lowercase),
        )
        self._lock = Lock()
        self._add_page(0)
        self._memories: deque[Memory] = deque()  # one for each thread that has ever encoded beside others

    def encode(self, lines: pa.Array) -> tuple[Ids, Offsets]:
        """The ids (int32[t]) of lines (large_string[n], no nulls) and the lines' bounds in them (int64[n + 1])."""
        try:
            memory = self._memories.pop()
        except IndexError:
            memory = new_memory(0)
        data, offsets = flat_lines(lines)
        ids, id_offsets = np.empty(1024 + len(lines) + int(offsets[-1] - offsets[0]) // 3, np.int32), np.zeros_like(offsets)
        state = np.zeros(4, np.int64)
        while need := kernels.encode_lines(data, offsets, self._letters, self._merges, memory, state, ids, id_offsets):
            line, _, count, value = state.tolist()
            if need == NEEDS_PAGE:
                self._add_page(value)
            elif need == NEEDS_ROOM:
                ids = np.concatenate([ids[:count], np.empty(max(len(ids), 2 * value), np.int32)])
            else:
                text = data[offsets[line] : offsets[line + 1]].tobytes().decode()
                found = self._library.encode(text, add_special_tokens=False).ids
                count = id_offsets[line]
                ids[count : count + len(found)] = found
                id_offsets[line + 1] = count + len(found)
                state[:3] = line + 1, offsets[line + 1], count + len(found)
        self._memories.append(memory)
        return ids[: state[2]], id_offsets

    def _add_page(self, page: int) -> None:
        with self._lock:
            if self._letters.pages[page] < 0:
                self._letters = self._with_page(page)

    def _with_page(self, page: int) -> kernels.Letters:
        """Asks the library what each character is, so that its Unicode is the one that counts."""
        points = range(kernels.PAGE * page, kernels.PAGE * (page + 1))
        letters = ["?" if 0xD800 <= point < 0xE000 else chr(point) for point in points]  # no text has surrogates
        if self._lowercase:
            letters = [self._library.normalizer.normalize_str(letter) for letter in letters]
        single = [letter if len(letter) == 1 else "?" for letter in letters]
        kinds = np.zeros(kernels.PAGE, np.uint8)
        for like, kind in (("a", kernels.LETTER), ("1", kernels.NUMBER), ("!", kernels.OTHER)):
            kinds[_joins(like, single)] = kind
        # One that becomes two in lower case; and NUL, with which the memory pads what it knows chunks by.
        kinds[[len(letter) != 1 or letter == "\0" for letter in letters]] = kernels.EXACT
        old = self._letters
        texts = [letter.encode() for letter in single]
        bounds = np.cumsum([len(old.content), *map(len, texts)], dtype=np.int32)
        pages = old.pages.copy()
        pages[page] = len(old.kinds)
        content = np.concatenate([old.content, np.frombuffer(b"".join(texts), np.uint8)])
        both = np.concatenate([old.kinds, kinds[None]]), np.concatenate([old.bounds, bounds[None]])
        return kernels.Letters(pages, *both, content, self._lowercase)


def _is_known(content: Mapping[str, Any]) -> bool:
    """True for the rules that the loops follow."""
    before, model = content["pre_tokenizer"] or {}, content["model"]
    return (
        content["normalizer"] in (None, {"type": "Lowercase"})
        and (before.get("type"), before.get("use_regex", True)) == ("ByteLevel", True)
        and all(model.get(name) == value for name, value in _MODEL.items())
        and model["vocab"].keys() >= set(byte_letters())
    )


def _merges(content: Mapping[str, Any]) -> kernels.Merges:
    entries, merges = content["model"]["vocab"], content["model"]["merges"]
    left, right = (np.array([entries[pair[side]] for pair in merges], np.int32) for side in (0, 1))
    merged = np.array([entries[first + second] for first, second in merges], np.int32)
    of_bytes = np.array([entries[letter] for letter in byte_letters()], np.int32)
    return kernels.Merges(kernels.build_pairs(left, right, merged), of_bytes, content["pre_tokenizer"]["add_prefix_space"])


def _joins(like: str, letters: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which letters the pattern does not cut off from ``like`` before them."""
    text = "".join(f"\n{like}{letter}" for letter in letters)
    pieces = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True).pre_tokenize_str(text)
    cut = np.zeros(len(text) + 1, np.bool_)
    cut[[start for _, (start, _) in pieces]] = True
    return ~cut[2 : 3 * len(letters) : 3]
