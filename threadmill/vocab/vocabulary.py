"""A vocabulary dataset opened for use: its tokens, their ids, and text to ids."""

import hashlib
from collections.abc import Sequence
from dataclasses import astuple, dataclass, field
from functools import cached_property
from itertools import chain

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from tokenizers import Tokenizer

from threadmill.datasets import storage
from threadmill.datasets.arrow_text import large_strings, text_buffers
from threadmill.datasets.dataset import Dataset
from threadmill.datasets.manifest import InputEntry
from threadmill.errors import InputError, IntegrityError
from threadmill.vocab.chunks import count_chunks, gather_tokens, number_chunks
from threadmill.vocab.wordpiece import CONTINUATION, MAX_CHARACTERS_PER_WORD, bert_tokenizer

STAGE = "vocabulary"
VOCAB_NAME, TOKENIZER_NAME = "vocab.txt", "tokenizer.json"

BYTE_LEVEL = "bytelevel-bpe"
BERT_NAMES = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
OTHER_NAMES = ("<pad>", "<unk>", "<s>", "</s>", "<mask>")

_BATCH = 20_000

Ids = npt.NDArray[np.int32]


@dataclass(frozen=True)
class TokenLines:
    """Lines of token ids: line i is ``ids[offsets[i]:offsets[i + 1]]``.

    Attributes:
        ids: int32[t].
        offsets: int64[n + 1].
    """

    ids: Ids
    offsets: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, line: int) -> Ids:
        return self.ids[self.offsets[line] : self.offsets[line + 1]]


@dataclass(frozen=True)
class Specials:
    """The ids of the tokens that mean something to a model and never come out of text, but for ``unk``."""

    pad: int
    unk: int
    cls: int
    sep: int
    mask: int


@dataclass(frozen=True)
class Vocabulary:
    """The tokens in the order of their ids, and the text rules that go with them.

    Attributes:
        tokens: with the special ones, [PAD] [UNK] [CLS] [SEP] [MASK], or <pad> <unk> <s> </s> <mask> in the kinds that mark
            the beginning of a word; a token's place is its id.
        lowercase: text is lower-cased and stripped of accents first.
        digest: of the vocabulary's manifest: equal digests give equal ids. "" where it is no dataset's.
        kind: wordpiece, sentencepiece-unigram, sentencepiece-bpe or bytelevel-bpe.
        form: of a sentencepiece kind: "bert" where it was converted to a BERT vocabulary, or "sentencepiece".
        uri: where it lies.
    """

    tokens: tuple[str, ...]
    lowercase: bool = True
    digest: str = field(default="", compare=False)
    kind: str = "wordpiece"
    form: str = ""
    uri: str = field(default="", compare=False)

    @classmethod
    def load(cls, uri: str) -> "Vocabulary":
        """The vocabulary of the dataset at ``uri``.

        Raises:
            InputError: no dataset there, or no vocabulary.
            IntegrityError: vocab.txt differs from what the manifest says.
        """
        dataset = Dataset.open(uri, STAGE)
        path = storage.join(uri, VOCAB_NAME)
        content = storage.read_bytes(path)
        entry = next(shard for shard in dataset.manifest.shards if shard.name == VOCAB_NAME)
        if hashlib.sha256(content).hexdigest() != entry.sha256:
            raise IntegrityError(f"{path} was changed after it was written; delete its folder and make the vocabulary again")
        tokens = tuple(content.decode().split("\n")[:-1])
        config = dataset.manifest.config
        kind, form = str(config["kind"]), str(config.get("form", ""))
        return cls(tokens, bool(config["lowercase"]), dataset.manifest.digest, kind, form, uri)

    def as_input(self) -> InputEntry:
        """How a dataset made with this vocabulary refers to it."""
        return InputEntry(storage.name_of(self.uri), self.digest, self.uri)

    def __len__(self) -> int:
        return len(self.tokens)

    @cached_property
    def ids(self) -> dict[str, int]:
        """Token -> id."""
        return {token: number for number, token in enumerate(self.tokens)}

    @cached_property
    def specials(self) -> Specials:
        """The special tokens' ids; <s> and </s> are ``cls`` and ``sep``."""
        names = BERT_NAMES if self._is_bert else OTHER_NAMES
        missing = [name for name in names if name not in self.ids]
        if missing:
            raise InputError(
                f"{self.uri or 'the vocabulary'} has no {', '.join(missing)}; use a vocabulary with {' '.join(names)}, "
                f"such as `threadmill vocab train` makes"
            )
        return Specials(*(self.ids[name] for name in names))

    @cached_property
    def special_ids(self) -> Ids:
        """int32[5]: all of `specials`, ascending."""
        return np.array(sorted(astuple(self.specials)), np.int32)

    @cached_property
    def ordinary_ids(self) -> Ids:
        """int32: the ids of all tokens but the special ones, ascending."""
        return np.setdiff1d(np.arange(len(self), dtype=np.int32), self.special_ids)

    @cached_property
    def continuations(self) -> npt.NDArray[np.bool_]:
        """bool[len(self)]: True where a token goes on inside a word; False for the special ones."""
        if self._is_bert:
            inside = [token.startswith(CONTINUATION) and len(token) > len(CONTINUATION) for token in self.tokens]
        else:
            inside = [not token.startswith(self._word_start) for token in self.tokens]
        continuations = np.array(inside, np.bool_)
        continuations[self.special_ids] = False
        return continuations

    @property
    def _is_bert(self) -> bool:
        return self.kind != BYTE_LEVEL and self.form != "sentencepiece"

    @property
    def _word_start(self) -> str:
        return "Ġ" if self.kind == BYTE_LEVEL else "▁"

    def decode(self, ids: Sequence[int] | Ids) -> str:
        """Readable text of token ids: words apart, the pieces of a word together; special tokens stand as words."""
        words: list[str] = []
        for number in np.asarray(ids).tolist():
            piece = self.tokens[number]
            if self.continuations[number] and words:
                words[-1] += piece.removeprefix(CONTINUATION)
            else:
                words.append(piece)
        return " ".join(words)

    def encode(self, lines: Sequence[str] | pa.Array) -> TokenLines:
        """The ids of each line, with no special token added; a special token's name in the text is text.

        Each distinct chunk (see `threadmill.vocab.chunks`) is tokenised once.

        Args:
            lines: n strings, as a list or an Arrow array; null counts as "".
        """
        data, offsets = text_buffers(large_strings(lines))
        bounds = count_chunks(data, offsets)
        numbers, starts, lengths = number_chunks(data, offsets, bounds[-1])
        chunks = self._encode_chunks(data, starts, starts + lengths)
        return TokenLines(*gather_tokens(numbers, bounds, chunks.ids, chunks.offsets))

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        return bert_tokenizer(self.tokens, self.lowercase)

    def _encode_chunks(
        self, data: npt.NDArray[np.uint8], starts: npt.NDArray[np.int64], ends: npt.NDArray[np.int64]
    ) -> TokenLines:
        view = data.data
        ids, offsets = [np.zeros(0, np.int32)], np.zeros(len(starts) + 1, np.int64)
        for first in range(0, len(starts), _BATCH):
            bounds = zip(starts[first : first + _BATCH].tolist(), ends[first : first + _BATCH].tolist(), strict=True)
            texts = [_bounded(str(view[start:end], "utf-8")) for start, end in bounds]
            batch = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
            counts = [len(chunk) for chunk in batch]
            offsets[first + 1 : first + 1 + len(batch)] = counts
            ids.append(np.fromiter(chain.from_iterable(batch), np.int32, sum(counts)))
        np.cumsum(offsets, out=offsets)
        return TokenLines(np.concatenate(ids), offsets)


def _bounded(chunk: str) -> str:
    """A word of the same ids: a very long one is [UNK] in any case, and the tokenizer needs 60 bytes for each character."""
    long = len(chunk) > MAX_CHARACTERS_PER_WORD and chunk.isascii() and chunk.isalnum()
    return chunk[: MAX_CHARACTERS_PER_WORD + 1] if long else chunk
